"""Commands on a finished run without TensorFlow, and as Keras answers them."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.harness import Section, assets, mobilenet_weights
from benchmarks.memory import make_photos

ROUNDS = 5
MANY = 10_000
WAYS = ("keras", "light")
# A process is born with its parent's peak, so it reports its own.
PROGRAM = """
import atexit, re, sys
from pathlib import Path
from tlkeras.evaluation import light_run
from tlkeras.training import code_opening
if sys.argv[1] == "keras":
    light_run.open_engine = lambda directory: None
    light_run.write_engine = lambda run: False
    code_opening.open_light_prefix = lambda *place: None
    code_opening.prepare_light_prefix = lambda *place: None
def report():
    status = Path("/proc/self/status").read_text()
    peak = re.search(r"VmHWM:\\s+(\\d+)", status)[1]
    print("\\npeak KiB", peak, "tensorflow", "tensorflow" in sys.modules)
atexit.register(report)
from tlkeras.cli.main import main
main(["tlkeras", *sys.argv[2:]])
"""


def run() -> Section:
    """Measures all commands in processes of their own, in turns."""
    header = ["command", "way", "seconds", "peak, MiB"]
    rows = [header]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        directory = train(folder)
        photos = folder / "photos"
        make_photos(photos, 1000)
        first = next(photos.rglob("*.jpg"))
        asked = f"--workdir={directory}"
        commands = {
            "predict, one photo": ["predict", asked, str(first)],
            "predict, 1000 photos": ["predict", asked, str(photos)],
            "evaluate, 341 photos": ["evaluate", asked],
            "features, 1000 photos": features(photos),
        }
        for command in commands.values():  # prepares, and warms the disk
            measure("", command, folder)
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(ROUNDS):
            for what, command in commands.items():
                for way in WAYS:
                    figures = measure(way, command, folder)
                    found.setdefault((what, way), []).append(figures)
        for (what, way), figures in found.items():
            rows.append([what, way, *format_figures(figures)])
        make_photos(many := folder / "many", MANY)
        for way in WAYS:
            figures = [measure(way, features(many), folder)]
            what = f"features, {MANY} photos, once"
            rows.append([what, way, *format_figures(figures)])
    return Section(
        "Answers without TensorFlow, MobileNetV2 1.0 at 160 px",
        rows,
        [
            f"Whole processes in turns, medians of {ROUNDS}. *keras*: the same "
            "program, which may not open what the first call prepared.",
            f"The codes of {MANY} photos are {MANY * 1280 * 4 / 2**20:.0f} MiB "
            "of the peak twice, in the table and in the mapped store.",
        ],
    )


def train(folder: Path) -> Path:
    """Trains a probe on clothing; returns its directory."""
    directory = folder / "run"
    source = assets() / "datasets" / "clothing"
    subprocess.run(
        [
            *(sys.executable, "-m", "tlkeras.cli.main", "train"),
            f"--data={source}",
            f"--workdir={directory}",
            "--config.phases.fine_tune.epochs=0",
            *model_flags(),
        ],
        check=True,
    )
    return directory


def model_flags() -> Iterator[str]:
    """Yields the flags of the network."""
    yield f"--config.model.weights={mobilenet_weights()}"
    yield "--config.model.image_size=160"


def features(photos: Path) -> list[str]:
    """Returns a command that computes all codes; OUT is made anew."""
    return [
        "features",
        f"--data={photos}",
        "--output=OUT/codes.npz",
        "--config.features.store=OUT/store",
        *model_flags(),
    ]


def measure(way: str, command: list[str], folder: Path) -> tuple[float, float]:
    """Runs a command in a process; returns its seconds and its peak, MiB.

    Args:
        way: One of `WAYS`; "" may prepare.
        command: Words; OUT is a folder of its own.
        folder: For those.
    """
    with tempfile.TemporaryDirectory(dir=folder) as output:
        given = [word.replace("OUT", output) for word in command]
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, way, *given],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - begun
    found = re.search(r"peak KiB (\d+) tensorflow (\w+)", done.stdout)
    assert found is not None, done.stdout
    assert not way or (found[2] == "True") == (way == "keras"), command
    return seconds, int(found[1]) / 1024


def format_figures(figures: list[tuple[float, float]]) -> list[str]:
    """Returns cells of medians."""
    seconds, peak = np.median(figures, axis=0)
    return [f"{seconds:.2f}", f"{peak:.0f}"]
