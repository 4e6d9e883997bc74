"""The winner against the config as given: trained, and compared image by image.

Both runs look at the test split once, when all is decided.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.errors import GateError
from tlkeras.evaluation.metrics import compare_paired
from tlkeras.tuning.trials.full_trials import train_in_child
from tlkeras.tuning.trials.watched_process import Limits


def train_run(
    config: ConfigDict, directory: Path, *, apart: bool, console: Console
) -> dict[str, Any]:
    """Trains a run, or reads the finished one.

    Args:
        config: Of the run.
        directory: Of the run.
        apart: Whether in a process of its own.
        console: For people.

    Returns:
        What `result.json` holds.

    Raises:
        GateError: If the process failed.
    """
    from tlkeras.training.trainer import train_and_evaluate

    console.line(f"training {directory.name}/")
    if not apart:
        return train_and_evaluate(config, directory)
    folder = directory.parent / workdir.TRIALS / f"run_{directory.name}"
    end = train_in_child(
        config, folder, directory, Limits(), f"The run {directory.name}."
    )
    if not (directory / workdir.RESULT).exists():
        raise GateError(
            f"The run in '{directory}' failed ({end.reason or end.code}); see "
            f"'{folder / workdir.LOG}'."
        )
    return workdir.read_json(directory / workdir.RESULT)


def compare_runs(
    given: Path, tuned: Path, *, num_samples: int, significant: float
) -> dict[str, Any]:
    """Compares two finished runs on the images that both answered.

    Args:
        given: Directory of the run of the config as given.
        tuned: Directory of the winner's run.
        num_samples: Of the bootstrap.
        significant: One-sided p at which the winner counts as better.

    Returns:
        Split -> accuracies, difference, interval and p; `is_better` on
        validation.
    """
    compared: dict[str, Any] = {}
    for split in ("validation", "test"):
        old, new = read_scores(given, split), read_scores(tuned, split)
        shared = sorted(old.keys() & new.keys())
        if not shared:
            continue
        before = np.array([old[path] for path in shared])
        after = np.array([new[path] for path in shared])
        paired = compare_paired(before, after, num_samples=num_samples)
        compared[split] = {
            "given": float(before.mean()),
            "tuned": float(after.mean()),
            **dataclasses.asdict(paired),
        }
    validation = compared.get("validation", {"p_value": 1.0})
    compared["is_better"] = validation["p_value"] <= significant
    return compared


def read_scores(run: Path, split: str) -> dict[str, float]:
    """Returns path -> score of a run's predictions; empty without them."""
    rows = workdir.read_table(run / workdir.predictions_name(split))
    return {row["path"]: float(row["score"]) for row in rows}


def format_comparison(compared: dict[str, Any]) -> list[str]:
    """Returns lines for people."""
    lines = []
    for split in ("validation", "test"):
        if split not in compared:
            continue
        row = compared[split]
        low, high = row["interval"]
        lines.append(
            f"{split}: tuned {row['tuned']:.4f}, given {row['given']:.4f}, "
            f"{row['difference']:+.4f} [{low:+.4f}, {high:+.4f}], "
            f"p {row['p_value']:.3f}"
        )
    verdict = (
        "the tuned config is better on validation"
        if compared["is_better"]
        else "the tuned config is not better on validation beyond chance"
    )
    return [*lines, verdict]
