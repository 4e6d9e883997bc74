"""The wall clock of a run: what it has taken, and what is kept for its end."""

from collections.abc import Callable, Sequence

from tlkeras.training.context import RunContext
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.time_plan import TimeLeft, share

# Of compiling the chosen network once more, evaluation, and the report: a
# multiple of what preparing the run took, which is compiling and importing too
# (docs/measurements.md).
CLOSING_SHARE = 1.0


def closing_seconds(prepared: float) -> float:
    """Returns the seconds that are kept for what follows the last phase.

    Args:
        prepared: Seconds from the begin of a process to its first phase.
    """
    return CLOSING_SHARE * prepared


def time_for(
    phase: ResolvedPhase,
    later: Sequence[ResolvedPhase],
    run: RunContext,
    spent: Callable[[], float],
    prepared: float,
) -> TimeLeft:
    """Returns the time of a phase in a run's budget.

    Args:
        phase: About to begin.
        later: Those after it; what fits gets its share by its epochs.
        run: Its `runtime.max_seconds`.
        spent: Seconds of the run until now.
        prepared: As for `closing_seconds`.
    """
    limit = run.config.runtime.max_seconds
    if not limit:
        return TimeLeft(spent)
    free = limit - closing_seconds(prepared) - spent()
    if phase.method == "fit":
        others = sum(p.epochs for p in later if p.method == "fit")
        free = share(free, phase.epochs, others)
    return TimeLeft(spent, spent() + free)
