"""How a batch is divided among devices: evenly, or not at all."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from tlkeras.errors import InputError
from tlkeras.training.phases import Phase
from tlkeras.training.worker_place import WorkerPlace


def split_batches(
    batches: Iterable[tuple[Any, ...]], count: int
) -> Iterator[tuple[Any, ...]]:
    """Yields each batch in parts of equal size, float32 [n / count, ...].

    Args:
        batches: Tuples of arrays [n, ...], or of tuples of such.
        count: Divides n.
    """
    for batch in batches:
        whole = keras.tree.map_structure(
            lambda array: np.asarray(array, np.float32), batch
        )
        for index in range(count):
            place = WorkerPlace(index, count)
            yield keras.tree.map_structure(place.part_of, whole)


def require_divisible(
    phases: Iterable[Phase], num_images: int, num_replicas: int
) -> None:
    """Makes sure that each replica gets as many images as the others.

    One without any would make all weights NaN.

    Args:
        phases: Of the run.
        num_images: N of the training split; a smaller one is one batch.
        num_replicas: Devices on which phases are fitted.

    Raises:
        InputError: Naming the phase.
    """
    count = num_replicas
    for phase in phases:
        size = min(phase.batch_size, num_images)
        if phase.method != "solve" and size % count:
            raise InputError(
                f"A batch of {size} images of the phase '{phase.name}' cannot "
                f"be divided among {count} devices; expected a multiple of "
                f"{count}: set --config.phases.{phase.name}.batch_size="
                f"{max(size // count, 1) * count}, or "
                "--config.runtime.devices=one."
            )
