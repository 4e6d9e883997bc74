"""The lecture's search: 100 trials of rate and L2, against plain keras-tuner.

Stage 1 alone with codes at hand, and the whole command from JPEG files, against
trials that run the frozen backbone and trials on cached codes.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Section, assets, mobilenet_weights
from tlkeras import workdir

TRIALS = 100
ROUNDS = 3
BACKBONE_TRIALS = 3  # of 100; the rest is extrapolated
SPACE = {
    "phases.linear_probe.learning_rate": "1e-6:1e-1:log",
    "model.head_l2": "1e-5:1e5:log",
}
LECTURE: dict[str, Any] = {
    "evaluation.test_at_end": False,  # plain keras-tuner does not look either
    "model.image_size": 160,
    "model.dropout": 0.0,
    "phases.linear_probe.epochs": 5,
    "phases.linear_probe.batch_size": 100,
    "phases.linear_probe.optimizer": "sgd",
    "phases.linear_probe.schedule": "exponential",
    "phases.linear_probe.schedule_args.decay_per_epoch": 0.9,
    "tuning.num_trials": TRIALS,
    "tuning.stages": 1,
}


def run() -> Section:
    """Measures all sides; ours in rounds between theirs."""
    data = str(assets() / "datasets" / "clothing")
    backbone: list[float] = []
    codes, searches, commands = [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        search = prepare_search(data, folder)
        for number in range(ROUNDS):
            backbone += plain(data, "images", 1 + BACKBONE_TRIALS // ROUNDS)[
                "trials"
            ][1:]
            codes.append(plain(data, "codes", TRIALS))
            searches += [search() for _ in range(3)]
            commands.append(command(data, folder / f"command_{number}"))
    return describe(backbone, codes, searches, commands)


def plain(data: str, side: str, num_trials: int) -> dict[str, Any]:
    """Runs plain keras-tuner in a process of its own."""
    script = Path(__file__).parent / "plain_tuner.py"
    done = subprocess.run(
        [
            sys.executable,
            str(script),
            data,
            mobilenet_weights(),
            side,
            str(num_trials),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def prepare_search(data: str, folder: Path) -> Any:
    """Returns what runs stage 1 with codes at hand: seconds, best."""
    os.environ["TLKERAS_CACHE"] = str(folder / "cache")
    from tlkeras.config import get_config
    from tlkeras.console import Console
    from tlkeras.tuning.page.live_table import LiveTable
    from tlkeras.tuning.plan import make_plan
    from tlkeras.tuning.search import search
    from tlkeras.tuning.store.oracles import build_oracle
    from tlkeras.tuning.trials.codes import load_head_codes
    from tlkeras.tuning.trials.codes_trials import CodesTrials
    from tlkeras.tuning.trials.outcome import read_outcomes, store_of

    config = get_config()
    config.data.source = data
    config.model.weights = mobilenet_weights()
    for name, value in LECTURE.items():
        *sections, last = name.split(".")
        section = config
        for part in sections:
            section = section[part]
        section[last] = value
    plan = make_plan(config, SPACE)
    codes = load_head_codes(plan.config, Console(quiet=True))
    place = folder / "search"

    def measure() -> dict[str, float]:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        started = time.perf_counter()
        search(
            build_oracle(plan, place),
            CodesTrials(codes, plan.trial_config),
            store_of(place),
            batch_size=TRIALS,
            default_epochs=plan.epochs,
            watcher=LiveTable(Console(quiet=True), list(SPACE), TRIALS, None),
        )
        seconds = time.perf_counter() - started
        scores = [o.val_accuracy or 0.0 for o in read_outcomes(store_of(place))]
        return {"seconds": seconds, "best": max(scores)}

    measure()  # threads and tables start once
    return measure


def command(data: str, folder: Path) -> dict[str, float]:
    """Runs `tlkeras tune` from JPEG files to the winner's run, cache cold."""
    directory = folder / "search"
    settings = [f"--config.{name}={value}" for name, value in LECTURE.items()]
    spaces = [f"--space={name}={text}" for name, text in SPACE.items()]
    started = time.perf_counter()
    subprocess.run(
        [
            sys.executable,
            "-m",
            "tlkeras.cli.main",
            "tune",
            f"--data={data}",
            f"--workdir={directory}",
            f"--config.model.weights={mobilenet_weights()}",
            "--config.tuning.compare=false",
            "--config.report.enabled=false",
            *settings,
            *spaces,
            "--quiet",
        ],
        env={**os.environ, "TLKERAS_CACHE": str(folder / "cache")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    seconds = time.perf_counter() - started
    result = workdir.read_json(directory / workdir.TUNING)
    best = max(t["val_accuracy"] or 0.0 for t in result["trials"])
    return {
        "seconds": seconds,
        "best": best,
        "noise": result["noise_floor"] or 0.0,
    }


def describe(
    backbone: list[float],
    codes: list[dict[str, Any]],
    searches: list[dict[str, float]],
    commands: list[dict[str, float]],
) -> Section:
    """Returns the table."""
    first = TRIALS * float(np.median(backbone))
    second = float(np.median([sum(run["trials"]) for run in codes]))
    rows = [["side", "seconds", "backbone / side", "codes / side", "best"]]

    def short(value: float) -> str:
        return f"{value:.2f}" if value < 1 else f"{value:.0f}"

    def add(name: str, seconds: float, best: str) -> None:
        ratios = [f"{short(plain / seconds)}x" for plain in (first, second)]
        rows.append([name, short(seconds), *ratios, best])

    def middle(runs: list[dict[str, Any]], key: str) -> float:
        return float(np.median([run[key] for run in runs]))

    add("keras-tuner, trials run the frozen backbone", first, "")
    add("keras-tuner on cached codes", second, f"{middle(codes, 'best'):.3f}")
    add(
        "`tlkeras tune`, the search with codes at hand",
        middle(searches, "seconds"),
        f"{middle(searches, 'best'):.3f}",
    )
    add(
        "`tlkeras tune`, whole command from JPEG files",
        middle(commands, "seconds"),
        f"{middle(commands, 'best'):.3f}",
    )
    return Section(
        "The lecture's search on clothing, MobileNetV2 1.0 at 160 px",
        rows,
        [
            "100 trials of rate (1e-6 .. 1e-1) and L2 (1e-5 .. 1e5), both "
            "log-uniform, 5 epochs, batch 100, momentum 0.9, rate x 0.9 an "
            "epoch.",
            f"The first side is {len(backbone)} trials of "
            f"{np.median(backbone):.1f} s, extrapolated to 100; its images are "
            "decoded once and kept, and neither that nor its imports count. "
            "Of the second, computing the codes and imports do not count.",
            "The whole command: imports, scan, codes with a cold cache, the "
            "search, its noise floor, finalists and the winner's run; without "
            "the page and the run of the config as given.",
            f"Noise floor (3 seeds): {middle(commands, 'noise'):.4f}.",
        ],
    )
