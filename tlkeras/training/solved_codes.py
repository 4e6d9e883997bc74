"""The codes of a phase that solves: held in memory, or read for every pass."""

from collections.abc import Callable, Iterator
from typing import Protocol

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


class SolvedCodes(Protocol):
    """Codes of the training and validation images under a linear classifier."""

    def fit(
        self, score: Callable[[np.ndarray, np.ndarray], Score]
    ) -> LinearFit[Score]:
        """Returns the best by a score of kernel [d, C] and bias [C]."""

    def answer(
        self, split: str, kernel: np.ndarray, bias: np.ndarray
    ) -> np.ndarray:
        """Returns the logits [N, C] of a split by kernel [d, C], bias [C]."""


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
    if needed <= limit or phase.solver != "batched":
        return HeldCodes(phase, run, frozen)
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
    return StreamedCodes(phase, run, frozen)


class HeldCodes:
    """All codes in memory."""

    def __init__(
        self, phase: ResolvedPhase, run: RunContext, frozen: FrozenPart
    ) -> None:
        self.phase = phase
        self.run = run
        self.codes = {
            "train": frozen.train.all_rows()[0],
            "validation": frozen.plain("validation").all_rows()[0],
        }

    def fit(
        self, score: Callable[[np.ndarray, np.ndarray], Score]
    ) -> LinearFit[Score]:
        """Returns the best by a score of kernel [d, C] and bias [C]."""
        train = self.run.dataset.splits["train"]
        return fit_linear_classifier(
            self.codes["train"],
            train.targets,
            score,
            loss=self.run.classifier.head.loss,
            log10_l2=self.phase.solve_log10_l2,
            num_strengths=self.phase.solve_num_strengths,
            class_weights=class_weights(self.run.config, train),
            solver=self.phase.solver,
        )

    def answer(
        self, split: str, kernel: np.ndarray, bias: np.ndarray
    ) -> np.ndarray:
        """Returns the logits [N, C] of a split by kernel [d, C], bias [C]."""
        return self.codes[split] @ kernel + bias


class StreamedCodes:
    """Codes that stay in the cache, or are computed again for every pass."""

    def __init__(
        self, phase: ResolvedPhase, run: RunContext, frozen: FrozenPart
    ) -> None:
        self.phase = phase
        self.run = run
        self.rows: dict[str, Activations] = {
            "train": frozen.train,
            "validation": frozen.plain("validation"),
        }

    def fit(
        self, score: Callable[[np.ndarray, np.ndarray], Score]
    ) -> LinearFit[Score]:
        """Returns the best by a score of kernel [d, C] and bias [C]."""
        train = self.run.dataset.splits["train"]

        def read(rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            start = 0
            for (codes,) in self.rows["train"].batches(rows):
                places = np.arange(start, start + len(codes))
                yield codes, train.targets_of(places)
                start += len(codes)

        return fit_streamed_classifier(
            CodeBlocks(
                read,
                len(train),
                self.run.dataset.num_classes,
                class_weights(self.run.config, train),
            ),
            score,
            loss=self.run.classifier.head.loss,
            log10_l2=self.phase.solve_log10_l2,
            num_strengths=self.phase.solve_num_strengths,
        )

    def answer(
        self, split: str, kernel: np.ndarray, bias: np.ndarray
    ) -> np.ndarray:
        """Returns the logits [N, C] of a split by kernel [d, C], bias [C]."""
        blocks = self.rows[split].batches(ANSWERED_ROWS)
        return np.concatenate([codes @ kernel + bias for (codes,) in blocks])
