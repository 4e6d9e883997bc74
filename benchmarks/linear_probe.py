"""A linear probe on clothing, whole processes from JPEG files."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.harness import Section, assets, mobilenet_weights
from tlkeras import workdir

ROUNDS = 3


def run() -> Section:
    """Measures the guide once, and the quick sides in interleaved rounds."""
    data = str(assets() / "datasets" / "clothing")
    guide = plain("plain_guide", data)
    rounds: dict[str, list[dict[str, float]]] = {
        "codes": [],
        "cold": [],
        "warm": [],
    }
    with tempfile.TemporaryDirectory() as temporary:
        for number in range(ROUNDS):
            folder = Path(temporary) / str(number)
            rounds["codes"].append(plain("plain_codes", data))
            for side in ("cold", "warm"):
                rounds[side].append(train(data, folder, side))
    return describe(guide, rounds)


def plain(script: str, data: str) -> dict[str, float]:
    """Runs a plain script; returns seconds, imports and accuracy."""
    path = Path(__file__).parent / f"{script}.py"
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(path), data, mobilenet_weights()],
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - started
    return {**json.loads(done.stdout.splitlines()[-1]), "seconds": seconds}


def train(data: str, folder: Path, side: str) -> dict[str, float]:
    """Runs `tlkeras train` with the probe only, checks on, report off."""
    directory = folder / side
    command = [
        sys.executable,
        "-m",
        "tlkeras.cli.main",
        "train",
        f"--data={data}",
        f"--workdir={directory}",
        f"--config.model.weights={mobilenet_weights()}",
        "--config.model.image_size=160",
        "--config.phases.fine_tune.epochs=0",
        "--config.report.enabled=false",
        "--quiet",
    ]
    started = time.perf_counter()
    subprocess.run(
        command,
        env={**os.environ, "TLKERAS_CACHE": str(folder / "cache")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    seconds = time.perf_counter() - started
    result = workdir.read_json(directory / workdir.RESULT)
    return {
        "seconds": seconds,
        "imports": seconds - result["seconds/total"],
        "accuracy": result["test/top_1_accuracy"],
    }


def describe(
    guide: dict[str, float], rounds: dict[str, list[dict[str, float]]]
) -> Section:
    """Returns the table."""
    sides = {
        "Keras' guide: 10 epochs of the head, 5 of everything": guide,
        "`predict` + scikit-learn's logistic regression": rounds["codes"],
        "`tlkeras train`, cold cache": rounds["cold"],
        "`tlkeras train`, warm cache": rounds["warm"],
    }
    rows = [["side", "seconds", "of them imports", "against the guide", "test"]]
    for name, runs in sides.items():
        runs = [runs] if isinstance(runs, dict) else runs
        median = {
            key: float(np.median([run[key] for run in runs])) for key in runs[0]
        }
        rows.append(
            [
                name,
                f"{median['seconds']:.1f}",
                f"{median['imports']:.1f}",
                f"{guide['seconds'] / median['seconds']:.1f}x",
                f"{median['accuracy']:.3f}",
            ]
        )
    return Section(
        "Linear probe on clothing, MobileNetV2 1.0 at 160 px, whole process",
        rows,
        [
            f"The guide ran once, the others {ROUNDS} times (medians).",
            "Imports of `tlkeras`: all outside `seconds/total`, the start of "
            "the interpreter included.",
        ],
    )
