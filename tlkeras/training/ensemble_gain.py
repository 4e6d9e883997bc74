"""`ensemble.json`: what an ensemble is worth, and what it costs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.evaluation.evaluate import read_scores
from tlkeras.evaluation.metrics import compare_paired
from tlkeras.evaluation.phase_details import PhaseComparison
from tlkeras.evaluation.records import VALIDATION, RunResult
from tlkeras.training.context import RunContext


def write_gain(
    run: RunContext,
    places: Sequence[Path],
    results: Sequence[RunResult],
    cost: float,
) -> None:
    """Compares the ensemble with its members on validation.

    Args:
        run: Of the ensemble, evaluated.
        places: Directories of its members.
        results: Theirs.
        cost: Multiplications over those of one member.
    """
    scores = [
        list(read_scores(place, "validation").values())
        for place in (run.directory, *places)
    ]
    mean = np.mean(scores[1:], axis=0)
    paired = compare_paired(
        mean,
        np.array(scores[0]),
        num_samples=run.config.evaluation.bootstrap_samples,
    )
    gain = PhaseComparison(against="the mean of the members", **vars(paired))
    workdir.write_json(
        run.directory / workdir.ENSEMBLE,
        {
            "members": [
                {
                    "seed": run.config.seed + number,
                    **result.scores[VALIDATION].as_dict(run.metric),
                }
                for number, result in enumerate(results)
            ],
            "mean_of_members": float(mean.mean()),
            "against_mean": gain.as_dict(),
            "cost": cost,
        },
    )
    run.console.line(
        f"{len(places)} networks as one against a network by chance "
        f"({mean.mean():.4f} on average): {gain.describe()}, at {cost:.2f} "
        "times the multiplications"
    )
