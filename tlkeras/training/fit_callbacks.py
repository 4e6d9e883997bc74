"""The callbacks of a `fit` phase, in the order of an epoch's end."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from tlkeras.callbacks.batch_noise import BatchNoise
from tlkeras.callbacks.checkpointer import Checkpointer
from tlkeras.callbacks.epoch_writer import EpochWriter
from tlkeras.callbacks.progress import ProgressBar
from tlkeras.callbacks.stateful import StatefulCallback
from tlkeras.callbacks.update_ratios import UpdateRatios
from tlkeras.callbacks.validation import Evaluate, Validation
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_checks import frozen_guards
from tlkeras.training.phases import ResolvedPhase, build_groups
from tlkeras.training.progress import PhaseProgress
from tlkeras.training.stopping import build_guard, plateau_callbacks


class FitCallbacks:
    """What Keras calls while a phase trains, and what the phase asks of it.

    Args:
        phase: About to begin, or to go on.
        run: Whose classifier is frozen as the phase says.
        begun: Where the phase stands; its callbacks' state is put back.
        validate: Runs the model over the validation split.
        steps: An epoch.
    """

    def __init__(
        self,
        phase: ResolvedPhase,
        run: RunContext,
        begun: PhaseProgress,
        validate: Evaluate,
        steps: int,
    ) -> None:
        self._guard = build_guard(
            phase, run.classifier.head.loss, run.dataset.num_classes
        )
        self._validation = Validation(validate, self._guard)
        groups = build_groups(phase, run.classifier)
        self._callbacks: list[keras.callbacks.Callback] = [
            self._guard,
            # Of a resumed phase nothing is checked again.
            *([] if begun.epoch else frozen_guards(phase, run)),
            BatchNoise(),
            UpdateRatios({g.name: g.variables for g in groups}, steps),
            self._validation,
            *plateau_callbacks(phase, run.metric),
            EpochWriter(phase.name, run.metric, [run.history.add]),
            ProgressBar(
                phase.name,
                run.metric,
                num_epochs=phase.epochs,
                steps_per_epoch=steps,
                batch_size=min(
                    phase.batch_size, len(run.dataset.splits["train"])
                ),
                console=run.console,
            ),
        ]
        self._stateful = [
            c for c in self._callbacks if isinstance(c, StatefulCallback)
        ]
        for callback in self._stateful:
            name = type(callback).__name__
            callback.restore_state(dict(begun.callbacks.get(name, {})))

    @property
    def stopped(self) -> str:
        """Why training was ended by the guard, or ""."""
        return self._guard.reason

    @property
    def validated(self) -> tuple[dict[str, float], np.ndarray]:
        """Metrics of the last epoch on validation, and its scores [N]."""
        return self._validation.metrics, self._validation.scores

    @property
    def states(self) -> Mapping[str, Mapping[str, Any]]:
        """Class name -> state of what must survive a restart."""
        return {type(c).__name__: c.get_state() for c in self._stateful}

    def then(
        self, commit: Callable[[int], None]
    ) -> list[keras.callbacks.Callback]:
        """Returns all of them; a sound epoch is committed as the last thing.

        Args:
            commit: Takes the number of finished epochs.
        """
        return [
            *self._callbacks,
            Checkpointer(commit, lambda: not self.stopped),
        ]
