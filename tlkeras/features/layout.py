"""How the frontier of an image lies in a row of a store."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from tlkeras.errors import InputError

SHARD_BYTES = 32 * 1024**2  # one is held in memory while it fills
# What a killed process loses at most: a sixteenth of its rows, or so many.
MIN_SHARD_ROWS, MAX_SHARD_ROWS = 256, 4096
STORAGE = {"float32": np.float32, "float16": np.float16}
MAX_FLOAT16 = 65504.0


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the frontier of one image lies in a row.

    Attributes:
        shapes: Of the frontier tensors, without the batch dimension.
        storage: `float32` or `float16`.
    """

    shapes: tuple[tuple[int, ...], ...]
    storage: str

    @property
    def values(self) -> int:
        """Numbers in a row."""
        return int(sum(np.prod(shape) for shape in self.shapes))

    @property
    def row_bytes(self) -> int:
        """Size of a row on disk."""
        return self.values * np.dtype(STORAGE[self.storage]).itemsize

    def shard_rows(self, num_rows: int) -> int:
        """Returns the rows of a full shard, a multiple of 8.

        Args:
            num_rows: That are wanted in all.
        """
        rows = min(max(num_rows // 16, MIN_SHARD_ROWS), MAX_SHARD_ROWS)
        return max(8, min(rows, SHARD_BYTES // self.row_bytes) // 8 * 8)

    def pack(self, tensors: Sequence[np.ndarray]) -> np.ndarray:
        """Returns tensors as rows in the storage dtype.

        Args:
            tensors: float32 [n, ...] each, of `shapes`.

        Returns:
            [n, values].

        Raises:
            InputError: If a number is too large for float16.
        """
        flat = [tensor.reshape(len(tensor), -1) for tensor in tensors]
        rows = np.concatenate(flat, axis=1)
        largest = float(np.abs(rows).max(initial=0.0))
        if self.storage == "float16" and largest > MAX_FLOAT16:
            raise InputError(
                f"An activation of {largest:.3g} does not fit into float16; "
                "expected numbers up to 65504: set "
                "--config.features.storage=float32."
            )
        return rows.astype(STORAGE[self.storage])

    def unpack(self, rows: np.ndarray) -> list[np.ndarray]:
        """Returns rows as the tensors that were packed.

        Args:
            rows: [n, values] in the storage dtype.

        Returns:
            float32 [n, ...] each, of `shapes`.
        """
        ends = list(itertools.accumulate(int(np.prod(s)) for s in self.shapes))
        starts = [0, *ends[:-1]]
        return [
            rows[:, start:end].astype(np.float32).reshape(-1, *shape)
            for start, end, shape in zip(starts, ends, self.shapes, strict=True)
        ]
