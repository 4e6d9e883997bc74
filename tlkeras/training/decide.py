"""Whether a phase's weights replace those before."""

import dataclasses

import numpy as np

from tlkeras.evaluation.metrics import compare_paired
from tlkeras.evaluation.phase_details import PhaseComparison
from tlkeras.training.context import RunContext
from tlkeras.training.progress import PhaseOutcome


def decide(
    outcome: PhaseOutcome, before: PhaseOutcome | None, run: RunContext
) -> PhaseOutcome:
    """Keeps a phase's weights if they are better by a paired comparison.

    Of a fitted phase the log loss has decided (`mixing.py`); of a solved one
    the score of each image does.

    Args:
        outcome: Of the phase that has just ended.
        before: Of the phase whose weights were kept so far, or None.
        run: Its `evaluation` section and its console.

    Returns:
        The outcome with the comparison, and whether it is kept.
    """
    if before is None:
        return dataclasses.replace(outcome, kept=True)
    evaluation = run.config.evaluation
    paired = compare_paired(
        np.array(before.best.scores),
        np.array(outcome.best.scores),
        num_samples=evaluation.bootstrap_samples,
    )
    comparison = PhaseComparison(
        against=before.phase,
        score=(
            "ranking average precision of an image"
            if run.multi_label
            else "top-1 accuracy"
        ),
        **vars(paired),
    )
    mixed = outcome.details.mixed
    is_better = comparison.p_value <= evaluation.replace_p_value
    kept = mixed.share > 0 if mixed else is_better
    run.console.line(
        f"{outcome.phase} against {before.phase} on validation: "
        f"{comparison.describe()}, "
        f"{comparison.num_better} better, {comparison.num_worse} worse, "
        f"p {mixed.p_value if mixed else comparison.p_value:.3f}"
        f"{' by log loss' if mixed else ''}: "
        f"{outcome.phase if kept else before.phase} is kept"
    )
    return dataclasses.replace(outcome, kept=kept, comparison=comparison)
