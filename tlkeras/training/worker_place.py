"""Which of several processes this one is, as `TF_CONFIG` says."""

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tlkeras.errors import InputError, quote

TF_CONFIG = "TF_CONFIG"
TASK_TYPES = ("chief", "worker")  # in the order in which TensorFlow counts them
EXAMPLE = (
    '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


@dataclasses.dataclass(frozen=True)
class WorkerPlace:
    """One process among those that train together.

    Attributes:
        index: From 0; 0 is the chief, which writes the run.
        count: Of all of them.
    """

    index: int
    count: int

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run."""
        return self.index == 0

    def part_of(self, array: np.ndarray) -> np.ndarray:
        """Returns what this process takes of an array [n, ...]; count | n."""
        size = len(array) // self.count
        return array[self.index * size : (self.index + 1) * size]


ALONE = WorkerPlace(0, 1)


def read_place() -> WorkerPlace:
    """Reads `TF_CONFIG`, as Kubeflow and Vertex AI set it.

    Raises:
        InputError: If it is missing, or describes no such process.
    """
    text = os.environ.get(TF_CONFIG, "")
    if not text:
        raise _refuse(f"{TF_CONFIG} is not set")
    try:
        settings = json.loads(text)
        counts = {
            kind: len(settings["cluster"].get(kind, ())) for kind in TASK_TYPES
        }
        kind, index = settings["task"]["type"], int(settings["task"]["index"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _refuse(f"{TF_CONFIG}={quote(text)} cannot be read") from None
    return _find_place(counts, kind, index)


def _find_place(
    counts: Mapping[str, int], kind: Any, index: int
) -> WorkerPlace:
    if kind not in TASK_TYPES:
        raise _refuse(f"{TF_CONFIG} makes this process a '{quote(kind)}'")
    if not 0 <= index < counts[kind]:
        raise _refuse(
            f"{TF_CONFIG} makes this process number {index} of "
            f"{counts[kind]} of kind '{kind}'"
        )
    count = sum(counts.values())
    if count < 2:
        raise _refuse(f"{TF_CONFIG} names one process")
    before = sum(
        counts[earlier] for earlier in TASK_TYPES[: TASK_TYPES.index(kind)]
    )
    return WorkerPlace(before + index, count)


def _refuse(problem: str) -> InputError:
    return InputError(
        f"{problem}; expected two processes or more, and which this one is, "
        f"for runtime.devices=workers, such as {EXAMPLE}: set {TF_CONFIG}, or "
        "--config.runtime.devices=all for the devices of one machine."
    )
