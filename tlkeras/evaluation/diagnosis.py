"""What the curves of a run say, and the one change to try.

The lecture's reading of curves (CS231n notes, Neural Networks Part 3; CS5670,
Training CNNs): each symptom is one function of a phase's history, in the table
at the end; it gives the numbers that show it, or nothing.
"""

from collections.abc import Callable, Sequence

from tlkeras.evaluation.fit_symptoms import (
    dead_units,
    noisy_curve,
    overfitting,
    still_improving,
    underfitting,
)
from tlkeras.evaluation.phase_history import Finding, PhaseHistory
from tlkeras.evaluation.rate_symptoms import (
    group_not_learning,
    rate_too_high,
    rate_too_low,
    update_ratios_off,
)

# In the order in which they are looked for; a symptom on the left explains
# those on its right, which are then not reported for the phase.
SYMPTOMS: dict[Callable[[PhaseHistory], Finding | None], Sequence[str]] = {
    rate_too_high: (
        "rate_too_low",
        "overfitting",
        "underfitting",
        "noisy_curve",
        "still_improving",
        "dead_units",
        "update_ratio_off",
        "group_not_learning",
    ),
    rate_too_low: (
        "underfitting",
        "still_improving",
        "update_ratio_off",
        "group_not_learning",
    ),
    overfitting: ("still_improving",),
    underfitting: (),
    noisy_curve: (),
    still_improving: (),
    dead_units: (),
    update_ratios_off: ("group_not_learning",),
    group_not_learning: (),
}


def diagnose(history: PhaseHistory) -> list[Finding]:
    """Returns what a phase's history shows; [] for a good one.

    Args:
        history: Of one fitted phase.
    """
    findings: list[Finding] = []
    explained: set[str] = set()
    for look, explains in SYMPTOMS.items():
        if not len(history.train_loss) and look is not rate_too_high:
            break
        finding = look(history)
        if finding and finding.name not in explained:
            findings.append(finding)
            explained |= set(explains)
    return findings
