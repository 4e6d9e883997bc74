"""The codes of a phase that solves: held in memory, or read for every pass."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import psutil

from tlkeras.errors import InputError
from tlkeras.features.activations import Activations
from tlkeras.linear.solvers import LinearFit, Score, fit_linear_classifier
from tlkeras.linear.streamed_solver import (
    CodeBlocks,
    fit_streamed_classifier,
    held_bytes,
)
from tlkeras.training.batches import class_weights
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.phases import ResolvedPhase

ANSWERED_ROWS = 256  # of a cache at a time
SHARE_OF_MEMORY = 0.5  # of the machine's, where no limit is stated


@dataclasses.dataclass(frozen=True)
class SolvedCodes:
    """Codes of the training and validation images under a linear classifier.

    Attributes:
        phase: Whose strengths are tried.
        run: Whose head the classifier is.
        rows: `train` and `validation` -> activations, of which each is codes.
        held: The same in memory, float32 [N, d]; None where they are read for
            every pass.
    """

    phase: ResolvedPhase
    run: RunContext
    rows: Mapping[str, Activations]
    held: Mapping[str, np.ndarray] | None

    def fit(
        self, score: Callable[[np.ndarray, np.ndarray], Score]
    ) -> LinearFit[Score]:
        """Returns the best by a score of kernel [d, C] and bias [C]."""
        train = self.run.dataset.splits["train"]
        weights = class_weights(self.run.config, train)
        how: dict[str, Any] = {
            "loss": self.run.classifier.head.loss,
            "log10_l2": self.phase.solve_log10_l2,
            "num_strengths": self.phase.solve_num_strengths,
        }
        if self.held is None:
            blocks = CodeBlocks(
                self._read_train,
                len(train),
                self.run.dataset.num_classes,
                weights,
            )
            return fit_streamed_classifier(blocks, score, **how)
        return fit_linear_classifier(
            self.held["train"],
            train.targets,
            score,
            class_weights=weights,
            solver=self.phase.solver,
            **how,
        )

    def _read_train(self, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        train, start = self.run.dataset.splits["train"], 0
        for (codes,) in self.rows["train"].batches(rows):
            places = np.arange(start, start + len(codes))
            yield codes, train.targets_of(places)
            start += len(codes)

    def answer(
        self, split: str, kernel: np.ndarray, bias: np.ndarray
    ) -> np.ndarray:
        """Returns the logits [N, C] of a split by kernel [d, C], bias [C]."""
        if self.held is not None:
            return self.held[split] @ kernel + bias
        blocks = self.rows[split].batches(ANSWERED_ROWS)
        return np.concatenate([codes @ kernel + bias for (codes,) in blocks])


def open_codes(
    phase: ResolvedPhase, run: RunContext, frozen: FrozenPart
) -> SolvedCodes:
    """Returns a phase's codes, held if they and what is solved fit.

    Args:
        phase: With a frozen backbone.
        run: Its config limits memory.
        frozen: Whose frontier is the codes.

    Raises:
        InputError: If they neither fit nor lie in a cache.
    """
    (size,) = run.classifier.codes.shape[1:]
    needed = held_bytes(
        len(run.dataset.splits["train"]),
        int(size),
        run.dataset.num_classes,
        phase.solve_num_strengths,
    )
    limit = run.config.features.max_memory_bytes
    if limit is None:
        limit = SHARE_OF_MEMORY * psutil.virtual_memory().total
    rows = {"train": frozen.train, "validation": frozen.plain("validation")}
    if needed <= limit or phase.solver != "batched":
        held = {name: part.all_rows()[0] for name, part in rows.items()}
        return SolvedCodes(phase, run, rows, held)
    sizes = f"{needed / 2**30:.2g} GiB, more than {limit / 2**30:.2g} GiB"
    if not frozen.is_cached:
        raise InputError(
            f"The phase '{phase.name}' would hold {sizes}, and its codes are "
            "not cached; expected a cache to read them from at every step: "
            "set --config.features.cache=auto, or raise "
            "--config.features.max_memory_bytes."
        )
    run.console.line(
        f"{phase.name}: solving at once would hold {sizes}: every step reads "
        "the codes again"
    )
    return SolvedCodes(phase, run, rows, held=None)
