"""A manifest of many rows, from listing to reading its activations back.

The same 2000 files are named many times, and the rows of activations are four
numbers each, since pixels and networks do not matter here: what grows with the
number of images is listing, the labels, the tasks, the index of the store, and
finding keys. Each size runs in a process of its own.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Section

COUNTS = (10**4, 10**5, 10**6)
NUM_FILES, NUM_CLASSES = 2000, 1000
READ_ROWS = 256
STEPS = ("list", "plan", "write", "find all", "without index", "read all")


def run() -> Section:
    """Measures three sizes."""
    rows = []
    for count in COUNTS:
        command = [sys.executable, "-m", "benchmarks.activation_store"]
        done = subprocess.run(
            [*command, str(count)], capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        seconds = [f"{found[step]:.2f} s" for step in STEPS]
        memory = [f"{found[f'{step} MiB']:.0f} MiB" for step in STEPS[:4]]
        rows.append([f"{count:,}", *seconds, " / ".join(memory)])
    return Section(
        "A manifest of many rows, to its activations",
        [["rows", *STEPS, "peak memory"], *rows],
        [
            "CPU seconds of one core; peak memory of the process after "
            "listing, planning, writing and finding. Listing: a CSV of "
            f"{NUM_FILES} files, named over and over, with {NUM_CLASSES} "
            "classes. Planning: labels as indices, keys, and tasks of whole "
            "shards. `without index`: its file was removed, so that the "
            "header of every shard is read again.",
        ],
    )


def measure(count: int, folder: Path) -> dict[str, float]:
    """Returns CPU seconds, and MiB at the peak, of each step."""
    from tlkeras.data.dataset import Example, make_split
    from tlkeras.data.manifest import list_manifest
    from tlkeras.features.activations import wanted_keys
    from tlkeras.features.cache import ActivationCache
    from tlkeras.features.layout import Layout
    from tlkeras.features.tasks import plan_tasks

    manifest = write_manifest(count, folder)
    layout = Layout(((4,),), "float32")
    found: dict[str, float] = {}

    def step(name: str, call: Any) -> Any:
        begun = time.process_time()
        value = call()
        found[name] = time.process_time() - begun
        status = Path("/proc/self/status").read_text()
        peak = re.search(r"VmHWM:\s+(\d+)", status)
        found[f"{name} MiB"] = int(peak[1]) / 1024 if peak else 0.0
        return value

    def plan() -> list[Any]:
        rng = np.random.default_rng(0)
        named = [
            Example(e.path, e.labels, digest=rng.bytes(16).hex())
            for e in examples
        ]
        classes = tuple(sorted({e.labels[0] for e in named}))
        split = make_split(named, classes)
        cache = ActivationCache(folder / "store", layout)
        missing = cache.missing(wanted_keys(split.digests, 1))
        size = layout.shard_rows(count)
        return plan_tasks(split, missing, bad=(), shard_rows=size)

    def write() -> None:
        cache = ActivationCache(folder / "store", layout)
        with cache.locked(lambda: None):
            for task in tasks:
                keys = [image.key for image in task.images]
                cache.write(keys, np.zeros((len(keys), 4), np.float32))

    def find() -> ActivationCache:
        cache = ActivationCache(folder / "store", layout)
        assert not cache.missing(wanted)
        return cache

    def read() -> None:
        for start in range(0, count, READ_ROWS):
            cache.read(keys[start : start + READ_ROWS])

    examples = step("list", lambda: list_manifest(manifest))
    tasks = step("plan", plan)
    step("write", write)
    keys = [image.key for task in tasks for image in task.images]
    wanted = dict.fromkeys(keys)
    cache = step("find all", find)
    (folder / "store" / "index.npz").unlink()
    step("without index", find)
    step("read all", read)
    return found


def write_manifest(count: int, folder: Path) -> Path:
    """Writes a CSV that names the same files over and over."""
    for number in range(NUM_FILES):
        (folder / f"{number}.jpg").touch()
    path = folder / "manifest.csv"
    with open(path, "w") as file:
        file.write("path,label\n")
        for row in range(count):
            number = row % NUM_FILES
            file.write(f"{number}.jpg,class {number % NUM_CLASSES:03}\n")
    return path


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measure(int(sys.argv[1]), Path(temporary))))
