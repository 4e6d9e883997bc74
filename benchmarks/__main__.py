"""`python -m benchmarks [NAME ...]`: runs measurements, writes RESULTS.md."""

import importlib
import subprocess
import sys

from benchmarks.harness import write_section

NAMES = (
    "codes",
    "bfloat16",
    "fine_tune",
    "memory",
    "exports",
    "linear_probe",
    "tuning",
    "presets",
    "activation_store",
    "light",
)

# Takes hours, or a GPU.
ON_REQUEST = ("recipes", "devices")

names = sys.argv[1:] or NAMES
for name in names:
    if name not in (*NAMES, *ON_REQUEST):
        raise SystemExit(
            f"Unknown benchmark '{name}'; expected {(*NAMES, *ON_REQUEST)}."
        )
    if len(names) > 1:  # each in a process of its own
        subprocess.run([sys.executable, "-m", "benchmarks", name], check=True)
    else:
        write_section(name, importlib.import_module(f"benchmarks.{name}").run())
