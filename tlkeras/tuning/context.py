"""What the parts of a search share."""

import dataclasses
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.store.stored_oracle import StoredOracle
from tlkeras.tuning.trials.outcome import store_of
from tlkeras.tuning.trials.runners import TrialRunner


@dataclasses.dataclass(frozen=True)
class SearchContext:
    """A search in progress.

    Attributes:
        config: As given.
        plan: Of the search.
        directory: Of the search.
        oracle: Proposes trials and is told.
        console: For people.
        runner: Runs trials until the time of the search is up.
    """

    config: ConfigDict
    plan: SearchPlan
    directory: Path
    oracle: StoredOracle
    console: Console
    runner: TrialRunner

    @property
    def store(self) -> Path:
        """Folder of the trials."""
        return store_of(self.directory)
