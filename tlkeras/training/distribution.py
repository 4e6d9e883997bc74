"""Phases on several devices, or in several processes: the same numbers.

A global batch is what one device would take. Each replica gets its part of it,
gradients are summed, and all replicas take the same step. What needs no
gradient, validation for example, runs outside the strategy, on one device.

This module alone of `training/` talks to TensorFlow. On JAX Keras itself
divides batches: variables are on all devices, and XLA sees the whole batch.
"""

import contextlib
import dataclasses
import functools
import itertools
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras.data.parallel import untuned
from tlkeras.errors import GateError, InputError
from tlkeras.models.classifier import Classifier
from tlkeras.optim.multi_optimizer import SharedStep
from tlkeras.tables import lookup
from tlkeras.training.batch_parts import split_batches
from tlkeras.training.one_device import ONE, Distribution
from tlkeras.training.replicated_model import (
    ReplicatedModel,
    WorkersModel,
    require_tested_keras,
    twin_of,
)
from tlkeras.training.run_files import pack_run, unpack_run
from tlkeras.training.sharded_batches import ShardedBatches
from tlkeras.training.worker_place import ALONE, WorkerPlace, read_place

CHUNK_BYTES = 2**24  # of what is sent from process to process at a time


class Replicas(Distribution):
    """Several devices under a strategy of `tf.distribute`.

    Args:
        strategy: Of this process' devices, or of all processes'.
        place: Of this process.
    """

    def __init__(self, strategy: Any, place: WorkerPlace = ALONE) -> None:
        self.strategy = strategy
        self.place = place
        self.num_replicas = strategy.num_replicas_in_sync
        self.shared_step = SharedStep(self.num_replicas, mean_gradients)

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Returns the block in which variables are mirrored."""
        return self.strategy.scope()

    def outside(self, classifier: Classifier) -> Classifier:
        """Returns the classifier with a model that knows no strategy.

        With one, each replica would predict the whole batch.
        """
        alone = twin_of(classifier.model, keras.Model)
        return dataclasses.replace(classifier, model=alone)

    def trained(self, model: keras.Model) -> keras.Model:
        """Returns a twin that knows the strategy."""
        kind = ReplicatedModel if self.place.count == 1 else WorkersModel
        with self.scope():
            return twin_of(model, kind)

    def feed(self, batches: Generator[tuple[Any, ...]]) -> Iterable[Any]:
        """Returns a distributed data set, a piece of a batch a replica.

        Args:
            batches: Tuples of arrays [n, ...]; n is a multiple of this
                process' replicas.
        """
        import tensorflow as tf

        pieces = split_batches(batches, self.num_replicas // self.place.count)
        first = next(pieces)
        signature = keras.tree.map_structure(
            lambda array: tf.TensorSpec(array.shape, array.dtype), first
        )
        return self.strategy.distribute_datasets_from_function(
            lambda _: untuned(
                tf.data.Dataset.from_generator(
                    lambda: itertools.chain([first], pieces),
                    output_signature=signature,
                )
            )
        )

    def of_chief(self, array: np.ndarray) -> np.ndarray:
        """Returns the chief's array [...]; all have one of the same shape."""
        if self.place.count == 1:
            return array
        sent = self._send(array.tobytes())
        return np.frombuffer(sent, array.dtype).reshape(array.shape).copy()

    def publish(self, directory: Path) -> None:
        """Sends what the chief has committed, for others to go on from."""
        if self.place.count > 1 and self.place.is_chief:
            self._send(pack_run(directory))

    def receive(self, directory: Path) -> bool:
        """Writes what the chief sends; False where this is the chief."""
        if self.place.is_chief:
            return False
        unpack_run(self._send(b""), directory)
        return True

    def _send(self, content: bytes) -> bytes:
        """Returns the chief's bytes; the content of others does not count."""
        size = int(self._sum(np.array([len(content)], np.int32))[0])
        padded = content.ljust(-(-size // 4) * 4, b"\0")[: -(-size // 4) * 4]
        words = np.frombuffer(padded, np.int32)
        step = CHUNK_BYTES // words.itemsize
        parts = [
            self._sum(words[at : at + step])
            for at in range(0, len(words), step)
        ]
        return b"".join(part.tobytes() for part in parts)[:size]

    def _sum(self, words: np.ndarray) -> np.ndarray:
        """Returns int32 [n] of the first replica: the others add zeros."""
        import tensorflow as tf

        zeros = np.zeros_like(words)
        each = self.strategy.experimental_distribute_values_from_function(
            lambda replica: tf.constant(
                zeros if replica.replica_id_in_sync_group else words
            )
        )
        return self.strategy.reduce("SUM", each, axis=None).numpy()


def mean_gradients(gradients: Sequence[Any]) -> list[Any]:
    """Returns the means over all replicas, from within one of them.

    Args:
        gradients: Of this replica, [...] each, or None.
    """
    import tensorflow as tf

    replica = tf.distribute.get_replica_context()
    present = [g for g in gradients if g is not None]
    means = iter(replica.all_reduce(tf.distribute.ReduceOp.MEAN, present))
    return [None if g is None else next(means) for g in gradients]


def _open_all(config: ConfigDict) -> Distribution:
    """Takes all accelerators of this machine, or all that pass for CPUs."""
    if keras.backend.backend() == "jax":
        names = keras.distribution.list_devices()
        return ShardedBatches(names) if len(names) > 1 else ONE
    require_tensorflow("all")
    import tensorflow as tf

    found = tf.config.list_logical_devices(
        "GPU"
    ) or tf.config.list_logical_devices("CPU")
    if len(found) == 1:
        return ONE
    require_tested_keras()
    return _mirror(tuple(device.name for device in found))


@functools.cache
def _mirror(names: tuple[str, ...]) -> Replicas:
    import tensorflow as tf

    return Replicas(tf.distribute.MirroredStrategy(names))


def _open_workers(config: ConfigDict) -> Distribution:
    """Joins the other processes, and waits for them.

    Raises:
        InputError: Without `TF_CONFIG`, or for what processes cannot share.
    """
    place = read_place()
    for field, value in (
        ("ensemble", config.ensemble > 1),
        ("runtime.max_seconds", config.runtime.max_seconds > 0),
    ):
        if value:
            raise InputError(
                f"{field} is not known to several processes, of which each "
                "would decide for itself; expected one of both: leave it out, "
                "or set --config.runtime.devices=all."
            )
    require_tensorflow("workers")
    require_tested_keras()
    return _join(place)


@functools.cache
def _join(place: WorkerPlace) -> Replicas:
    import tensorflow as tf

    return Replicas(tf.distribute.MultiWorkerMirroredStrategy(), place)


def require_tensorflow(devices: str) -> None:
    """Refuses backends that have no `tf.distribute`.

    Args:
        devices: Of `runtime.devices`, for the error.

    Raises:
        InputError: If Keras computes in another.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise InputError(
            f"runtime.devices={devices} needs TensorFlow, and Keras computes "
            f"in {backend}; expected one: set --config.runtime.devices=one, or "
            "KERAS_BACKEND=tensorflow."
        )


# Value of `runtime.devices` -> what takes them.
DEVICES: dict[str, Callable[[ConfigDict], Distribution]] = {
    "one": lambda config: ONE,
    "all": _open_all,
    "workers": _open_workers,
}


@contextlib.contextmanager
def open_devices(
    config: ConfigDict, directory: Path | str
) -> Iterator[tuple[Distribution, Path]]:
    """Takes the devices that a config names, before anything else is done.

    Processes must meet before TensorFlow computes anything. They part together:
    one that leaves early looks to the others as if it had died.

    Args:
        config: Its `runtime.devices` counts.
        directory: Of the run.

    Yields:
        The devices, and the directory in which this process works: of those
        that train together the chief alone has the run's own, the others have
        a copy until they end.

    Raises:
        InputError: If the devices cannot be had.
        GateError: If another process was lost.
    """
    open_them = lookup(DEVICES, config.runtime.devices, what="runtime.devices")
    distribution = open_them(config)
    if distribution.place.count == 1:
        with distribution.at_work():
            yield distribution, Path(directory)
        return
    with _noticing_losses(distribution), contextlib.ExitStack() as stack:
        if not distribution.place.is_chief:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            directory = Path(folder, "run")
            distribution.receive(directory)
        yield distribution, Path(directory)
        distribution.of_chief(np.zeros(1, np.int32))


@contextlib.contextmanager
def _noticing_losses(distribution: Distribution) -> Iterator[None]:
    import tensorflow as tf

    errors = tf.errors
    try:
        yield
    except (
        errors.UnavailableError,
        errors.AbortedError,
        errors.CancelledError,
        errors.DeadlineExceededError,
        errors.InternalError,
    ) as error:
        # Before it stands which operation of the graph noticed.
        reason = error.message.splitlines()[0].rpartition("}} ")[2]
        raise GateError(
            f"One of {distribution.place.count} processes was lost ({reason}); "
            "expected all of them until the end: start all again, and they go "
            "on from the last commit."
        ) from None
