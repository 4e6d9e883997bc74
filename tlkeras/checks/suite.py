"""Running the cheap checks, and what a failure means."""

import dataclasses
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.checks.initial_loss import check_initial_loss
from tlkeras.checks.result import FAIL, CheckResult
from tlkeras.checks.split_leaks import check_class_counts, check_split_leaks
from tlkeras.data.dataset import Dataset
from tlkeras.errors import GateError


def run_checks(
    dataset: Dataset, targets: np.ndarray, logits: np.ndarray, *, loss: str
) -> list[CheckResult]:
    """Runs the checks that need no training.

    Args:
        dataset: With its splits.
        targets: [N, C] of some training images.
        logits: [N, C] that the fresh model gives them.
        loss: Key of `optim.losses.LOSSES`.
    """
    return [
        check_split_leaks(dataset),
        check_class_counts(dataset),
        check_initial_loss(targets, logits, loss=loss),
    ]


def write_checks(path: Path, results: list[CheckResult]) -> None:
    """Writes `checks.json`."""
    workdir.write_json(path, [dataclasses.asdict(result) for result in results])


def require_passed(results: list[CheckResult], *, strict: bool) -> None:
    """Raises on a failed check, if strict.

    Raises:
        GateError: Naming the first failed check.
    """
    failed = [result for result in results if result.verdict == FAIL]
    if failed and strict:
        raise GateError(
            f"The check '{failed[0].name}' failed: {failed[0].message} "
            f"Expected {failed[0].expected}; mend it, or pass "
            "--config.checks.strict=False to go on."
        )
