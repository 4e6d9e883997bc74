"""Threads that work ahead, in order, and what Keras' `fit` reads ahead."""

import collections
import contextlib
import itertools
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

Item = TypeVar("Item")
READ_AHEAD = 2  # batches of `fit`, beside those that threads make
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    num_workers: int,
) -> Generator[Result]:
    """Yields function(item) in the order of the items, computed ahead.

    At most 2 x num_workers results wait, so that memory stays bounded however
    many items there are.

    Args:
        function: Called by the workers.
        items: May be endless; read by the consumer's thread.
        num_workers: Threads.
    """
    pending: collections.deque[Future[Result]] = collections.deque()
    with ThreadPoolExecutor(num_workers) as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > 2 * num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


@contextlib.contextmanager
def lent(items: Generator[Item]) -> Iterator[Generator[Item]]:
    """Lends a generator to Keras' `fit`, and closes it afterwards.

    TensorFlow keeps each generator that it was given until the process ends,
    and with it the data and the network that the generator knows. It is given
    one that is empty when the block ends; that waits for the thread that reads
    ahead. (The first batches that Keras looks at stay.)

    Args:
        items: Belong to the block.
    """
    lock, lender = threading.Lock(), [items]

    def lend() -> Generator[Item]:
        while True:
            with lock:
                got = list(itertools.islice(lender[0], 1)) if lender else []
            if not got:
                return
            yield got.pop()  # held by nobody while the reader has it

    try:
        yield lend()
    finally:
        with lock:
            lender.clear()
            items.close()


def for_fit(batches: Iterable[Any]) -> Iterable[Any]:
    """Returns batches as `fit` reads them best.

    Of a generator Keras makes a `tf.data` pipeline that tunes itself. The
    thread that does sleeps twice as long each time, up to a minute, and a
    pipeline that has not met the end of its generator waits for it
    (TensorFlow 2.21): a `fit` of 21 s takes 41. There is nothing to tune, so
    that it is told not to.

    Args:
        batches: Tuples of arrays [n, ...], of one structure; what is no
            generator, and everything on another backend, stays as it is.
    """
    import keras

    if keras.backend.backend() != "tensorflow" or not isinstance(
        batches, Generator
    ):
        return batches
    import tensorflow as tf

    first = next(batches)
    signature = keras.tree.map_structure(
        # As Keras does; a fixed n would be another graph with other last bits.
        lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype),
        first,
    )
    pipeline = tf.data.Dataset.from_generator(
        lambda: itertools.chain([first], batches), output_signature=signature
    )
    return untuned(pipeline.prefetch(READ_AHEAD))


def untuned(pipeline: Any) -> Any:
    """Returns a `tf.data` pipeline that does not tune itself."""
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return pipeline.with_options(options)
