"""Threads that work ahead, in order."""

import collections
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    num_workers: int,
) -> Iterator[Result]:
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
