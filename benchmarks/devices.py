"""Training speed, accuracy and memory on GPUs, by precision and devices."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Section, assets, mobilenet_weights
from tlkeras import workdir

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
EPOCHS, BATCH = 4, 64
LIMIT = (
    "No GPU is here: this measures training on accelerators, where precision "
    "matters; on a CPU mixed precision is no faster. Nothing was measured."
)
# Peak memory of a device is known to the process that trains alone.
PROGRAM = """
import atexit, sys
from tlkeras.cli.main import main
def report():
    import tensorflow as tf
    for device in tf.config.list_logical_devices("GPU"):
        name = device.name.removeprefix("/device:")
        info = tf.config.experimental.get_memory_info(name)
        print("peak bytes", info["peak"], flush=True)
atexit.register(report)
main(["tlkeras", *sys.argv[1:]])
"""


def run() -> Section:
    """Trains a whole MobileNetV2 in each precision, on one GPU and on all.

    Raises:
        SystemExit: Where no GPU is.
    """
    count = count_gpus()
    if not count:
        raise SystemExit(LIMIT)
    rows = [["devices", "precision", "images/s", "val/top_1", "peak MiB"]]
    for devices in ("one", "all")[: min(count, 2)]:
        for precision in PRECISIONS:
            rows.append([devices, precision, *measure(devices, precision)])
    return Section(
        f"Training a whole MobileNetV2 1.0 at 160 px on {count} GPU(s)",
        rows,
        [
            f"Batches of {BATCH}, without augmentation; images a second are "
            "those of the last epoch, validation included. The head is solved "
            "first.",
        ],
    )


def count_gpus() -> int:
    """Returns the number of GPUs that TensorFlow sees, in another process."""
    program = "import tensorflow as tf; print(len(tf.config.list_physical_"
    done = subprocess.run(
        [sys.executable, "-c", program + "devices('GPU')))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1])


def measure(devices: str, precision: str) -> list[str]:
    """Trains once, and returns the cells of a row.

    Args:
        devices: Of `runtime.devices`.
        precision: Of `runtime.precision`.
    """
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "run")
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                PROGRAM,
                *command(devices, precision),
                f"--workdir={directory}",
            ],
            env={**os.environ, "TLKERAS_CACHE": str(Path(folder, "cache"))},
            capture_output=True,
            text=True,
            check=True,
        )
        rows = workdir.read_table(directory / workdir.HISTORY)
        last = [row for row in rows if row["phase"] == "fine_tune"][-1]
        accuracy = max(float(row["val/top_1_accuracy"]) for row in rows)
        steps = int(last["step"]) // int(last["epoch"])
    speed = steps * BATCH / float(last["seconds"])
    peaks = [
        int(line.split()[-1])
        for line in done.stdout.splitlines()
        if line.startswith("peak bytes")
    ]
    return [f"{speed:.0f}", f"{accuracy:.4f}", f"{max(peaks) / 2**20:.0f}"]


def command(devices: str, precision: str) -> list[str]:
    """Returns the arguments of `tlkeras` for a run."""
    return [
        "train",
        f"--data={assets() / 'datasets' / 'clothing'}",
        f"--config.model.weights={mobilenet_weights()}",
        "--config.model.image_size=160",
        "--config.phases.fine_tune.trainable_from=all",
        "--config.phases.fine_tune.augment=False",
        f"--config.phases.fine_tune.epochs={EPOCHS}",
        f"--config.phases.fine_tune.batch_size={BATCH}",
        f"--config.runtime.devices={devices}",
        f"--config.runtime.precision={precision}",
        "--config.report.enabled=False",
        "--quiet",
    ]
