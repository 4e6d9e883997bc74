"""What a phase may take of a run's wall clock, and what then fits.

The clock is that of the whole run: all processes that worked on it, from their
start to the last file of the report.
"""

import dataclasses
import math
from collections.abc import Callable

from tlkeras.errors import InputError

# Less is a warm-up and hardly more: a higher cutoff is tried before.
FEWEST_EPOCHS = 3


class TooLittleTimeError(Exception):
    """What is left of the budget is below what one epoch takes.

    Attributes:
        phase: Its name.
        needed: Seconds of its shortest form.
    """

    def __init__(self, phase: str, needed: float) -> None:
        super().__init__(phase, needed)
        self.phase = phase
        self.needed = needed


@dataclasses.dataclass(frozen=True)
class TimeLeft:
    """The time of one phase.

    Attributes:
        spent: Gives the seconds that the run has taken until now.
        until: Seconds after the run's begin at which the phase is to be over;
            infinity without a budget.
    """

    spent: Callable[[], float]
    until: float = math.inf

    @property
    def is_limited(self) -> bool:
        """Whether there is a budget."""
        return math.isfinite(self.until)

    def seconds(self) -> float:
        """Returns what is left now, below 0 where it has passed."""
        return self.until - self.spent()


@dataclasses.dataclass(frozen=True)
class Pace:
    """What was measured of a phase, in seconds.

    Attributes:
        first_step: The first step, which compiles.
        step: Any other, with what it reads.
        validation: Of the whole split, after each epoch.
        commit: Writing the state, after each epoch.
        steps: Number of steps in an epoch.
    """

    first_step: float
    step: float
    validation: float
    commit: float
    steps: int

    @property
    def epoch(self) -> float:
        """Seconds of an epoch."""
        return self.steps * self.step + self.validation + self.commit

    def epochs_within(self, seconds: float, wanted: int) -> int:
        """Returns how many epochs fit into a time, at most those wanted.

        Example:
        >>> Pace(5.0, 0.1, 1.0, 0.5, steps=30).epochs_within(20.0, 12)
        4
        """
        if seconds <= 0:
            return 0
        return int(min(wanted, seconds // max(self.epoch, 1e-9)))

    def scaled(self, factor: float) -> "Pace":
        """Returns the pace where a step costs another share of the work."""
        return dataclasses.replace(self, step=self.step * factor)


def choose_higher(
    pace: Pace,
    seconds: float,
    wanted: int,
    costs: dict[int, float],
    trial: float,
) -> int | None:
    """Returns the lowest cutoff at which enough epochs are expected to fit.

    Args:
        pace: Measured at the phase's own cutoff.
        seconds: That are left.
        wanted: Epochs.
        costs: Higher cutoff -> work of a step there, relative to that at the
            phase's own; cutoffs increase.
        trial: Seconds that it takes to set another cutoff up.

    Returns:
        None where the phase's own serves better: enough epochs fit there, or
        no other one gives more.
    """
    own = pace.epochs_within(seconds, wanted)
    enough = min(wanted, FEWEST_EPOCHS)
    if own >= enough:
        return None
    expected = {
        cutoff: pace.scaled(cost).epochs_within(seconds - trial, wanted)
        for cutoff, cost in costs.items()
    }
    for cutoff, epochs in expected.items():
        if epochs >= enough:
            return cutoff
    best = max(expected, key=lambda cutoff: expected[cutoff], default=None)
    return best if best is not None and expected[best] > own else None


def share(seconds: float, own: int, later: int) -> float:
    """Returns the part of a time that a phase gets beside later ones.

    Args:
        seconds: Of all.
        own: Epochs of the phase.
        later: Epochs of those after it.
    """
    return seconds * own / max(own + later, 1)


def refuse(
    error: TooLittleTimeError, *, budget: float, spent: float, closing: float
) -> InputError:
    """Returns the sentence for a budget in which nothing can be trained.

    Args:
        error: Of the first phase.
        budget: `runtime.max_seconds`.
        spent: Seconds until now.
        closing: Seconds for evaluation and report.
    """
    whole = spent + error.needed + closing
    return InputError(
        f"runtime.max_seconds={budget:g} is below what one epoch takes: the "
        f"phase '{error.phase}' needs {error.needed:.1f} s for one, after "
        f"{spent:.1f} s of preparation and before about {closing:.1f} s of "
        f"evaluation; expected at least {math.ceil(whole)}: raise "
        "--config.runtime.max_seconds, or set it to 0 for no limit."
    )
