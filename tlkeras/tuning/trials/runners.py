"""How trials run, by the mode of the search."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.trials.asked import Asked
from tlkeras.tuning.trials.codes_trials import CodesTrials
from tlkeras.tuning.trials.full_trials import ProcessTrials
from tlkeras.tuning.trials.outcome import TrialOutcome


class TrialRunner(Protocol):
    """Runs the trials of a search, and the runs at its end.

    Attributes:
        runs_batches: Whether many trials run at once, and so are asked for at
            once.
    """

    runs_batches: ClassVar[bool]

    @classmethod
    def check_space(cls, plan: SearchPlan) -> None:
        """Refuses a space whose trials could not be built.

        Raises:
            InputError: Before there is a directory for it.
        """

    @classmethod
    def start(
        cls, config: ConfigDict, plan: SearchPlan, console: Console
    ) -> tuple["TrialRunner", SearchPlan]:
        """Loads and checks what the trials need; their time is not limited.

        Args:
            config: Of the search, as given.
            plan: Of the search.
            console: For people.

        Returns:
            The runner, and the plan with the epochs that suit the data.

        Raises:
            InputError: For data that cannot be used.
            GateError: For data that fail a check.
        """

    def until(self, deadline: float | None) -> "TrialRunner":
        """Returns a runner whose trials end at `time.monotonic()` = deadline.

        Args:
            deadline: None is no limit.
        """

    def __call__(
        self, asked: Sequence[Asked]
    ) -> Iterable[tuple[Asked, TrialOutcome]]:
        """Yields trials as they end; what did not begin in time, not."""

    def train_run(self, config: ConfigDict, directory: Path) -> None:
        """Trains a final run, or leaves the finished one as it is.

        Raises:
            GateError: If it failed.
        """


# Key of `MODES` -> its runner.
RUNNERS: dict[str, type[TrialRunner]] = {
    "codes": CodesTrials,
    "full": ProcessTrials,
}
