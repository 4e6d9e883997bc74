"""The checkpoint of a run: everything that the next epoch depends on.

`checkpoints/state.npz` holds the model's variables (weights and seed
generators), the optimizer's, and a JSON record: phase, finished epochs, state
of stateful callbacks, outcomes of finished phases, best scores. Best weights
lie in files of their own that are written first and never changed, so that one
rename of `state.npz` commits all of it.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlkeras import remote_directory, workdir
from tlkeras.errors import InputError
from tlkeras.training.progress import RunProgress


class Checkpoints:
    """Reads and writes `checkpoints/` of a run directory.

    Args:
        directory: The folder.
        conditions: What must not change between a commit and going on, such
            as the data and the precision: name -> value.
    """

    def __init__(self, directory: Path, conditions: dict[str, str]) -> None:
        self.directory = directory
        self.conditions = conditions

    def save_weights(self, model: keras.Model, name: str) -> str:
        """Writes a model's weights into a new file; returns the file's name."""
        file = f"{name}.npz"
        with workdir.replacing(self.directory / file) as temporary:
            _save(temporary, _arrays("weight", model.weights))
        return file

    def load_weights(self, model: keras.Model, file: str) -> None:
        """Puts weights from `save_weights` into the model."""
        with _open(self.directory / file) as stored:
            _assign("weight", model.weights, stored)

    def read_weights(self, file: str) -> list[np.ndarray]:
        """Returns the weights [...] of `save_weights`, in the model's order."""
        with _open(self.directory / file) as stored:
            return [stored[f"weight:{i}"] for i in range(len(stored.files))]

    def commit(
        self,
        progress: RunProgress,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer | None,
        slots: dict[str, np.ndarray],
    ) -> None:
        """Writes the state atomically, then drops files that it left behind.

        What a store holds of the run follows.

        Args:
            progress: Where the run stands.
            model: Its variables are written.
            optimizer: Its variables too; None between phases.
            slots: Of the last `fit` phase: name -> array [...].
        """
        arrays = _arrays("variable", model.variables)
        if optimizer is not None:
            arrays |= _arrays("optimizer", optimizer.variables)
        arrays |= {f"slot:{key}": value for key, value in slots.items()}
        record = progress.to_json(self.conditions).encode()
        arrays["record"] = np.frombuffer(record, np.uint8)
        with workdir.replacing(self.directory / workdir.STATE) as temporary:
            _save(temporary, arrays)
        self._drop_unreferenced(progress)
        remote_directory.commit(self.directory)

    def try_write(
        self, model: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> None:
        """Writes what an epoch writes, and removes it: for its time only."""
        arrays = _arrays("variable", model.variables)
        arrays |= _arrays("optimizer", optimizer.variables)
        with tempfile.TemporaryFile(dir=self.directory) as file:
            np.savez(file, allow_pickle=False, **arrays)
            np.savez(file, allow_pickle=False, **_arrays("w", model.weights))
            file.flush()
            os.fsync(file.fileno())

    def _drop_unreferenced(self, progress: RunProgress) -> None:
        bests = [outcome.best for outcome in progress.outcomes]
        keep = {best.file for best in [*bests, progress.current.best] if best}
        for path in self.directory.glob("[!.]*.npz"):
            if path.name != workdir.STATE and path.name not in keep:
                path.unlink()

    def require_same(self) -> None:
        """Makes sure that what was committed was under the same conditions.

        Raises:
            InputError: Naming the condition that changed.
        """
        path = self.directory / workdir.STATE
        if path.exists():
            with _open(path) as stored:
                _, conditions = RunProgress.from_json(
                    stored["record"].tobytes()
                )
            self._require_same(conditions)

    def load(
        self, model: keras.Model
    ) -> tuple[RunProgress, dict[str, np.ndarray]]:
        """Restores the model's variables.

        Returns:
            Where the run stands, and the slots [...] of the last `fit` phase;
            both empty when nothing was committed yet.
        """
        path = self.directory / workdir.STATE
        if not path.exists():
            return RunProgress(), {}
        with _open(path) as stored:
            progress, conditions = RunProgress.from_json(
                stored["record"].tobytes()
            )
            self._require_same(conditions)
            _assign("variable", model.variables, stored)
            slots = {
                key.removeprefix("slot:"): stored[key]
                for key in stored.files
                if key.startswith("slot:")
            }
            return progress, slots

    def _require_same(self, conditions: dict[str, str]) -> None:
        for name, value in self.conditions.items():
            if conditions.get(name) != value:
                raise InputError(
                    f"The {name} has changed since the run in "
                    f"'{self.directory.parent}' began ({conditions.get(name)} "
                    f"is now {value}); expected the same {name}: restore it, "
                    "or start in a new --workdir."
                )

    def load_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Restores a built optimizer's variables."""
        with _open(self.directory / workdir.STATE) as stored:
            _assign("optimizer", optimizer.variables, stored)


def _arrays(
    prefix: str, variables: list[keras.Variable]
) -> dict[str, np.ndarray]:
    return {
        f"{prefix}:{index}": keras.ops.convert_to_numpy(variable)
        for index, variable in enumerate(variables)
    }


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(path, allow_pickle=False, **arrays)


def _assign(prefix: str, variables: list[keras.Variable], stored: Any) -> None:
    for index, variable in enumerate(variables):
        variable.assign(stored[f"{prefix}:{index}"])


@contextlib.contextmanager
def _open(path: Path) -> Iterator[Any]:
    with workdir.reading(path), np.load(path, allow_pickle=False) as stored:
        yield stored
