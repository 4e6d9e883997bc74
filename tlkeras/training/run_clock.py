"""The wall clock of a run: what it has taken, and what is kept for its end."""

from collections.abc import Callable, Sequence

from tlkeras.training.context import RunContext
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.time_plan import TimeLeft, TooLittleTimeError, share

# What follows the last phase compiles, imports and draws: about as much as
# imports and first checks did, on any machine (docs/measurements.md).
CLOSING_SHARE = 1.2
TRIAL_SHARE = 2.0  # the same of compiling a phase and timing it


def closing_seconds(prepared: float) -> float:
    """Returns the seconds that are kept for what follows the last phase.

    That is comparing, saving, diagnosing and the report; looking at the splits
    is counted where a phase is planned, since it grows with their images.

    Args:
        prepared: Seconds of imports and first checks in this process.
    """
    return CLOSING_SHARE * prepared


def require_trial(
    phase: ResolvedPhase, left: TimeLeft, prepared: float
) -> None:
    """Makes sure that there is time to find out how fast a phase is.

    Args:
        phase: About to be compiled and timed.
        left: Its time.
        prepared: As for `closing_seconds`.

    Raises:
        TooLittleTimeError: If there is not.
    """
    needed = TRIAL_SHARE * prepared
    if left.seconds() < needed:
        raise TooLittleTimeError(phase.name, needed)


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
