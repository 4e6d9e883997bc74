"""Several devices on JAX, where Keras itself divides batches among them."""

import contextlib
from collections.abc import Iterator, Sequence

import keras

from tlkeras.training.one_device import Distribution


class ShardedBatches(Distribution):
    """Several devices of one process on JAX.

    Args:
        names: Of the devices, as Keras lists them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.num_replicas = len(names)
        self.layout = keras.distribution.DataParallel(
            devices=list(names), auto_shard_dataset=False
        )

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Lets Keras divide all that it trains on meanwhile."""
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(self.layout)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)
