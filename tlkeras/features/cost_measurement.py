"""What codes cost, measured on a few images."""

import os
import tempfile
import time
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

    Nothing of them is kept.

    Args:
        prefix: The network at work.
        split: A few hundred images.
        scan_seconds: That one core needed to look at one of them.
    """
    layout = prefix.layout
    keys = list(wanted_keys(split.digests, 1))
    one = plan_tasks(split, keys[:1], bad=(), shard_rows=1)
    tasks = plan_tasks(split, keys, bad=(), shard_rows=layout.shard_rows)
    with tempfile.TemporaryDirectory() as name:
        folder = TaskFolder(Path(name) / "tasks")
        folder.create()
        bundle = write_bundle(folder.bundles, prefix, split.definition)
        worker = LocalProcesses(1)
        begun = time.perf_counter()
        records = worker.run(bundle, [*one, *tasks], folder)
        first = next(records)
        started = time.perf_counter()
        rest = list(records)
        ended = time.perf_counter()
        cache = ActivationCache(Path(name) / "store", layout)
        file_seconds = _file(rest, folder, cache)
    worked = sum(record.seconds for record in rest)
    return CostModel(
        image_seconds=worked / len(split),
        warm_up_seconds=started - begun - first.seconds,
        shard_seconds=max(ended - started - worked, 0.0) / len(rest),
        scan_seconds=scan_seconds,
        file_seconds=file_seconds / len(rest),
        image_bytes=float(np.mean([os.path.getsize(p) for p in split.files])),
        row_bytes=layout.row_bytes,
        shard_rows=layout.shard_rows,
    )


def _file(
    records: list[ShardRecord], folder: TaskFolder, cache: ActivationCache
) -> float:
    """Returns the seconds that it takes to put rows into a store."""
    begun = time.perf_counter()
    with cache.locked(lambda: None):
        for record in records:
            rows = folder.read_rows(record.name)
            if rows is not None and record.keys:
                cache.write(record.keys, rows)
    return time.perf_counter() - begun
