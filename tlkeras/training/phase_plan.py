"""What is decided about a phase before it begins, and then holds."""

import dataclasses

from tlkeras.training.phases import ResolvedPhase


@dataclasses.dataclass(frozen=True)
class PhasePlan:
    """How long a phase trains, and how much; committed with its first state.

    Attributes:
        epochs: 0 leaves it out.
        cutoff: Index of the first backbone layer that trains.
    """

    epochs: int
    cutoff: int


def planned(phase: ResolvedPhase, plan: PhasePlan | None) -> ResolvedPhase:
    """Returns a phase as it was decided, or as its config resolves."""
    if plan is None:
        return phase
    return dataclasses.replace(phase, epochs=plan.epochs, cutoff=plan.cutoff)
