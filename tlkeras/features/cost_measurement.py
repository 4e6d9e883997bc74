"""What codes cost, measured on a few images."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tlkeras.data.dataset import Split
from tlkeras.features.activations import wanted_keys
from tlkeras.features.bundle import write_bundle
from tlkeras.features.cache import ActivationCache
from tlkeras.features.cost_model import CostModel
from tlkeras.features.executors import LocalProcesses
from tlkeras.features.frozen import FrozenPrefix
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
    tasks = plan_tasks(split, keys, bad=(), shard_rows=layout.shard_rows)
    with tempfile.TemporaryDirectory() as name:
        folder = TaskFolder(Path(name) / "tasks")
        folder.create()
        bundle = write_bundle(folder.bundles, prefix, split.definition)
        begun = _seconds_of_children()
        records = list(LocalProcesses(1).run(bundle, tasks, folder))
        ended = _seconds_of_children()
        shard_seconds, file_seconds = _write_again(
            records,
            folder,
            TaskFolder(Path(name) / "again"),
            ActivationCache(Path(name) / "store", layout),
        )
    worked = sum(record.seconds for record in records)
    return CostModel(
        image_seconds=worked / len(split),
        warm_up_seconds=max(ended - begun - worked, 0.0),
        shard_seconds=shard_seconds / len(tasks),
        scan_seconds=scan_seconds,
        file_seconds=file_seconds / len(tasks),
        image_bytes=float(np.mean([os.path.getsize(p) for p in split.files])),
        row_bytes=layout.row_bytes,
        shard_rows=layout.shard_rows,
    )


def _seconds_of_children() -> float:
    """Returns what processes that ended have used of a core."""
    times = os.times()
    return times.children_user + times.children_system


def _write_again(
    records: Sequence[ShardRecord],
    source: TaskFolder,
    target: TaskFolder,
    cache: ActivationCache,
) -> tuple[float, float]:
    """Returns the seconds to stage all rows, and to put them into a store."""
    rows = [_read(source, record) for record in records]
    target.create()
    begun = time.perf_counter()
    for record, block in zip(records, rows, strict=True):
        target.commit(record, block)
    staged = time.perf_counter()
    with cache.locked(lambda: None):
        for record in records:
            if record.keys:
                cache.write(record.keys, _read(target, record))
    return staged - begun, time.perf_counter() - staged


def _read(folder: TaskFolder, record: ShardRecord) -> np.ndarray:
    """Returns rows [n, values] that were staged just now."""
    rows = folder.read_rows(record.name)
    assert rows is not None
    return rows
