"""Random search in stages, from coarse to fine."""

from typing import Any

from keras_tuner import oracles
from keras_tuner.engine.trial import TrialStatus

from tlkeras.tuning.space.coarse_to_fine import shrink_space
from tlkeras.tuning.space.hyperparameters import (
    Values,
    searched_values,
    to_hyperparameters,
)
from tlkeras.tuning.space.space import Space
from tlkeras.tuning.store.stored_oracle import (
    EPOCHS,
    STAGE,
    WORST_SCORE,
    StoredOracle,
)


class StagedOracle(StoredOracle, oracles.RandomSearchOracle):
    """Random search in stages, from coarse to fine.

    A stage begins when all trials of the one before have ended. Which stage
    it is, and its ranges, follow from the trials alone.

    Args:
        space: Of the first stage.
        stage_sizes: Trials of each stage.
        stage_epochs: Epochs of each stage's trials.
        settings: Of keras-tuner's own oracle.
    """

    def __init__(
        self,
        space: Space,
        *,
        stage_sizes: tuple[int, ...],
        stage_epochs: tuple[int, ...],
        **settings: Any,
    ) -> None:
        super().__init__(max_trials=None, **settings)
        self.space = space
        self.stage_sizes = stage_sizes
        self.stage_epochs = stage_epochs

    def _of_stage(self, stage: int) -> list[str]:
        return [
            name
            for name, trial in self.trials.items()
            if trial.hyperparameters.values.get(STAGE, 1) == stage
        ]

    def stage_spaces(self) -> list[tuple[Space, list[str]]]:
        """Returns each begun stage's space, and what led to it."""
        last = max(
            (t.hyperparameters.values[STAGE] for t in self.trials.values()),
            default=1,
        )
        spaces: list[tuple[Space, list[str]]] = [(self.space, [])]
        for stage in range(1, last):
            spaces.append(self._following(spaces[-1][0], stage))
        return spaces

    def stage_notes(self) -> list[str]:
        """Returns what led from stage to stage, for people."""
        return [
            f"stage {number}: {note}"
            for number, (_, notes) in enumerate(self.stage_spaces(), 1)
            for note in notes
        ]

    def _following(self, space: Space, stage: int) -> tuple[Space, list[str]]:
        members = self._of_stage(stage)
        following, notes = shrink_space(
            space,
            [
                (t.hyperparameters.values, t.score)
                for t in map(self.trials.__getitem__, members)
                if t.status == TrialStatus.COMPLETED and t.score > WORST_SCORE
            ],
        )
        size = self.stage_sizes[stage - 1]
        if len(members) < size:
            note = f"begun after {len(members)} of {size} trials before it"
            if self.is_stale(members):
                note += f": {self.out_of_patience()}"
            notes = [note, *notes]
        return following, notes

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Draws the values of a trial, or ends a stage."""
        spaces = [space for space, _ in self.stage_spaces()]
        stage, space = len(spaces), spaces[-1]
        members = self._of_stage(stage)
        is_full = len(members) >= self.stage_sizes[stage - 1]
        is_cut_short = not is_full and self.is_stale(members)
        values = None
        if not is_full and not is_cut_short:
            values = self._draw(space)
        if values is None:
            if self.ongoing_trials or self.lost_trials:
                return {"status": TrialStatus.IDLE}
            if stage == len(self.stage_sizes):
                if is_cut_short:
                    self.ended = self.out_of_patience()
                return {"status": TrialStatus.STOPPED}
            stage += 1
            values = self._draw(self._following(space, stage - 1)[0])
            if values is None:  # few options, and all of them tried
                return {"status": TrialStatus.STOPPED}
        own = {STAGE: stage, EPOCHS: self.stage_epochs[stage - 1]}
        return {"status": TrialStatus.RUNNING, "values": {**values, **own}}

    def _draw(self, space: Space) -> Values | None:
        """Returns values not tried before, or None if there are no others."""
        whole = self.get_space()
        self.hyperparameters = to_hyperparameters(space)
        try:
            return self.draw_values()
        finally:
            self.hyperparameters = whole

    def compared_values(self, values: Values) -> Values:
        """Returns the values without the stage and its epochs."""
        return searched_values(values)
