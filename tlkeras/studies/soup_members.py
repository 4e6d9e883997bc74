"""Runs whose weights may be averaged, or a sentence that says why not."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.config.dotted import first_difference
from tlkeras.config.hashing import identity
from tlkeras.errors import InputError, quote
from tlkeras.evaluation.run import Run, load_run
from tlkeras.models.heads import LOGITS, move_logits


@dataclasses.dataclass(frozen=True)
class Member:
    """A run that may go into the soup.

    Attributes:
        run: It, with its model.
        weights: Of the model, arrays [...] in its order.
        trained: The same before its last layer was calibrated.
    """

    run: Run
    weights: list[np.ndarray]
    trained: list[np.ndarray]

    @classmethod
    def of(cls, run: Run) -> "Member":
        """Reads the weights of a run."""
        weights = run.model.get_weights()
        back = run.calibration.inverse
        move_logits(run.model.get_layer(LOGITS), back.temperature, back.shift)
        trained = run.model.get_weights()
        run.model.set_weights(weights)
        return cls(run, weights, trained)

    @property
    def name(self) -> str:
        """Of its directory, as it was given."""
        return str(self.run.directory)

    @property
    def seed(self) -> int:
        """Of the run."""
        return int(self.run.config.seed)


def read_members(directories: Sequence[Path]) -> list[Member]:
    """Loads runs that share config, split and start, and differ in the seed.

    Weights can be averaged where they began at one point and did not go far
    from it; otherwise the average is a network that nobody trained.

    Args:
        directories: Of finished runs.

    Raises:
        InputError: For no run, an unfinished one, or one that is not like the
            first.
    """
    if not directories:
        raise InputError(
            "No run is given; expected --workdir=RUN,RUN,... of finished runs."
        )
    runs = [load_run(directory) for directory in directories]
    for run in runs[1:]:
        _require_like(run, runs[0])
    _require_different_seeds(runs)
    return [Member.of(run) for run in runs]


def _require_like(run: Run, first: Run) -> None:
    """Raises an InputError unless two runs differ in the seed alone."""
    both = f"'{run.directory}' and '{first.directory}'"
    if difference := first_difference(_shared(first), _shared(run)):
        name, there, here = difference
        raise InputError(
            f"{both} cannot be averaged ({name} is {quote(here, form=repr)} "
            f"and {quote(there, form=repr)}); expected runs that differ in "
            "--config.seed alone."
        )
    if _read_split(run) != _read_split(first):
        raise InputError(
            f"{both} cannot be averaged (their images are divided in other "
            "ways); expected the same split.csv: train them with "
            f"--config.data.split_file={first.directory / workdir.SPLIT}."
        )
    if not _begins_like(run, first):
        raise InputError(
            f"{both} cannot be averaged (their networks began with other "
            "weights); expected the same pretrained weights: set "
            "--config.model.weights."
        )
    if not _head_is_solved(first):
        name = first.result.phases[0].phase
        raise InputError(
            f"{both} cannot be averaged (their heads began with random "
            "weights, of a seed each); expected a first phase that solves: "
            f"set --config.phases.{name}.method=solve, or begin with a "
            "linear_probe."
        )


def _shared(run: Run) -> dict[str, Any]:
    """Returns what two runs must have in common, as plain values."""
    shared = identity(run.config)
    del shared["seed"]
    shared["data"]["image_definition"] = dict(run.result.image_definition)
    shared["classes"] = ", ".join(run.class_names)
    return shared


def _read_split(run: Run) -> set[tuple[str, str]]:
    """Returns (hash of the file's bytes, split) of each image."""
    rows = workdir.read_table(run.directory / workdir.SPLIT)
    with workdir.reading(run.directory / workdir.SPLIT):
        return {(row["digest"], row["split"]) for row in rows}


def _begins_like(run: Run, first: Run) -> bool:
    """Says whether the first kernels were equal before training.

    A network without a convolution leaves no such file.
    """
    kernels = []
    for path in (r.directory / workdir.FILTERS for r in (run, first)):
        if path.exists():
            with workdir.reading(path), np.load(path) as stored:
                kernels.append(stored["before"])
    return len(kernels) < 2 or np.array_equal(*kernels)


def _head_is_solved(run: Run) -> bool:
    """Says whether the first phase found its one best head by solving."""
    phases = run.result.phases
    return bool(phases) and phases[0].details.l2 is not None


def _require_different_seeds(runs: Sequence[Run]) -> None:
    found: dict[int, Path] = {}
    for run in runs:
        seed = int(run.config.seed)
        if seed in found:
            raise InputError(
                f"'{found[seed]}' and '{run.directory}' have both seed {seed}, "
                "and so the same weights; expected a seed each: train one of "
                "them with another --config.seed."
            )
        found[seed] = run.directory
