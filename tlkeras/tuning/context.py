"""What the parts of a search share."""

import dataclasses
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.search import RunTrials, store_of
from tlkeras.tuning.store.oracles import RandomOracle, StoredOracle


@dataclasses.dataclass
class SearchContext:
    """A search in progress.

    Attributes:
        config: As given.
        plan: Of the search.
        directory: Of the search.
        oracle: Proposes trials and is told.
        console: For people.
        run_trials: Runs a batch of trials.
    """

    config: ConfigDict
    plan: SearchPlan
    directory: Path
    oracle: StoredOracle
    console: Console
    run_trials: RunTrials

    @property
    def store(self) -> Path:
        """Folder of the trials."""
        return store_of(self.directory)


def stage_notes(oracle: StoredOracle) -> list[str]:
    """Returns what led from stage to stage."""
    if not isinstance(oracle, RandomOracle):
        return []
    return [
        f"stage {number}: {note}"
        for number, (_, notes) in enumerate(oracle.stage_spaces(), 1)
        for note in notes
    ]
