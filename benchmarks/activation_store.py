"""A store of many rows: how long its index takes, and how much memory.

The rows are four numbers each, since pixels and networks do not matter here:
what grows with the number of images is listing, the index, and finding keys.
"""

import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.harness import Section

COUNTS = (10**4, 10**5, 10**6)
READ_ROWS = 256


def run() -> Section:
    """Measures stores of three sizes."""
    header = [
        "keys",
        "write",
        "find all",
        "without the index",
        "memory of finding",
        "read all",
    ]
    return Section(
        "A store of many rows",
        [header, *(measure(count) for count in COUNTS)],
        [
            "CPU seconds of one core; memory beyond the keys that are asked "
            "for. `without the index`: its file was removed, so that the "
            "header of every shard is read again.",
        ],
    )


def measure(count: int) -> list[str]:
    """Returns a row of the table for a number of keys."""
    from tlkeras.features.cache import ActivationCache
    from tlkeras.features.layout import Layout

    rng = np.random.default_rng(0)
    keys = [(rng.bytes(16).hex(), 0) for _ in range(count)]
    wanted = dict.fromkeys(keys)
    layout = Layout(((4,),), "float32")
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary) / "store"

        def find() -> ActivationCache:
            cache = ActivationCache(directory, layout)
            assert not cache.missing(wanted)
            return cache

        def write() -> None:
            cache = ActivationCache(directory, layout)
            size = layout.shard_rows(count)
            with cache.locked(lambda: None):
                for start in range(0, count, size):
                    part = keys[start : start + size]
                    cache.write(part, np.zeros((len(part), 4), np.float32))

        writing = cpu_seconds(write)
        finding = cpu_seconds(find)
        tracemalloc.start()
        cache = find()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        (directory / "index.npz").unlink()
        cold = cpu_seconds(find)

        def read() -> None:
            for start in range(0, count, READ_ROWS):
                cache.read(keys[start : start + READ_ROWS])

        reading = cpu_seconds(read)
    seconds = [f"{s:.2f} s" for s in (writing, finding, cold)]
    memory = f"{peak / 2**20:.0f} MiB"
    return [f"{count:,}", *seconds, memory, f"{reading:.2f} s"]


def cpu_seconds(call: Callable[[], object]) -> float:
    """Returns the CPU time of a call."""
    begun = time.process_time()
    call()
    return time.process_time() - begun
