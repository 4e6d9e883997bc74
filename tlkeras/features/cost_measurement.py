"""What codes cost, measured on a few images."""

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from tlkeras.data.contents import size_of
from tlkeras.data.dataset import Split
from tlkeras.features.activations import wanted_keys
from tlkeras.features.bundle import write_bundle
from tlkeras.features.cache import ActivationCache
from tlkeras.features.cost_model import MANY, CostModel
from tlkeras.features.executors import LocalProcesses
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.features.layout import Layout
from tlkeras.features.task_folder import TaskFolder
from tlkeras.features.tasks import ShardRecord, plan_tasks


def measure_costs(
    prefix: FrozenPrefix, split: Split, scan_seconds: float
) -> CostModel:
    """Sends the images of a split through one worker, and files their rows.

    Nothing of them is kept. Computing is measured in seconds of a core, so
    that whatever else this machine does counts for little; writing as it takes.

    Args:
        prefix: The network at work.
        split: A few hundred images.
        scan_seconds: That a core needed to look at one of them.
    """
    layout = prefix.layout
    keys = list(wanted_keys(split.digests, 1))
    tasks = plan_tasks(
        split, keys, bad=(), shard_rows=layout.shard_rows(len(split))
    )
    with tempfile.TemporaryDirectory() as name:
        folder = TaskFolder(Path(name) / "tasks")
        folder.create()
        bundle = write_bundle(
            folder.bundles, prefix.network, split.definition, layout
        )
        begun = _seconds_of_children()
        records = list(LocalProcesses(1).run(bundle, tasks, folder))
        ended = _seconds_of_children()
        rows = folder.read_rows(records[0].name)
        assert rows is not None
        shard_seconds, file_seconds = _write_full(rows, layout, Path(name))
    worked = sum(record.seconds for record in records)
    return CostModel(
        image_seconds=worked / len(split),
        warm_up_seconds=max(ended - begun - worked, 0.0),
        shard_seconds=shard_seconds,
        scan_seconds=scan_seconds,
        file_seconds=file_seconds,
        image_bytes=float(np.mean([size_of(p) for p in split.files])),
        layout=layout,
    )


def _seconds_of_children() -> float:
    """Returns what processes that ended have used of a core."""
    times = os.times()
    return times.children_user + times.children_system


def _write_full(
    rows: np.ndarray, layout: Layout, directory: Path
) -> tuple[float, float]:
    """Returns the seconds to stage a full shard, and to put it into a store."""
    count = layout.shard_rows(MANY)
    keys = tuple((f"{number:032x}", 0) for number in range(count))
    full = rows[np.arange(count) % len(rows)]
    folder = TaskFolder(directory / "full")
    cache = ActivationCache(directory / "store", layout)
    folder.create()
    begun = time.perf_counter()
    folder.commit(ShardRecord("full", keys, (), 0.0), full)
    staged = time.perf_counter()
    with cache.locked(lambda: None):
        found = folder.read_rows("full")
        assert found is not None
        cache.write(keys, found)
    return staged - begun, time.perf_counter() - staged
