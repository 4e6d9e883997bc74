"""SIGKILL of drivers and workers at many moments: the same store in the end."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from .conftest import with_comment

MOMENTS = 10
DRIVER = """
from tlkeras.features import executors, layout
layout.MAX_SHARD_ROWS = 8
executors.WORKER = "dying_worker"
from tlkeras.cli.main import main
main()
"""
FLAGS = (
    "--processes=2",
    "--config.model.backbone=MobileNet",
    "--config.model.alpha=0.25",
    "--config.model.image_size=32",
    "--config.model.weights=letters",
    "--config.data.max_bad_share=0.1",
)


@pytest.fixture
def photos(photo_folder, photo_split, tmp_path):
    """Photos, of which one ends its process and one is refused."""
    folder = tmp_path / "photos"
    shutil.copytree(photo_folder, folder)
    for name in ("ends the process", "is poison"):
        content = with_comment(photo_split, name.encode())
        (folder / "china" / f"{name.split()[0]}.jpg").write_bytes(content)
    return folder


@pytest.fixture
def start(photos, tmp_path, dying_workers, monkeypatch):
    """Starts the command on a store."""
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))

    def start(name):
        return subprocess.Popen(
            [
                *(sys.executable, "-c", DRIVER, "features", *FLAGS),
                *(f"--data={photos}", f"--output={tmp_path / name}"),
            ],
            env=os.environ,
            stdout=subprocess.DEVNULL,
        )

    return start


@pytest.fixture
def read(tmp_path):
    """Reads the files of a store, and its bad images."""

    def read(name):
        store = tmp_path / name
        files = {
            path.name: path.read_bytes()
            for path in store.rglob("*")
            if path.parent.parent == store and path.suffix in (".npy", ".json")
        }
        (ledger,) = store.glob("tasks/*/bad.json")
        assert not [*store.glob("tasks/*/staged/[!.]*")]
        assert not [*store.glob("tasks/*/attempts/*")]
        return files, ledger.read_text()

    return read


def wait_for(process, store, count):
    """Waits until so many shards are in a store, and a task is begun."""
    while process.poll() is None:
        begun = [*store.glob("tasks/*/attempts/*")]
        if begun and len([*store.glob("[!t]*/*.npy")]) >= count:
            return
        time.sleep(0.01)
    raise AssertionError("it ended before it could be killed")


def kill(process, victim):
    """Kills the driver, or one of its workers."""
    if victim == "driver":
        process.send_signal(signal.SIGKILL)
        return
    workers = psutil.Process(process.pid).children()
    assert workers
    random.choice(workers).kill()


@pytest.mark.slow
def test_whoever_is_killed_the_store_is_the_same(start, read, tmp_path):
    assert start("reference").wait() == 0
    expected = read("reference")
    num_shards = len(expected[0]) // 2
    assert num_shards > 10
    random.seed(0)
    for number in range(MOMENTS):
        victim = ("driver", "worker")[number % 2]
        name = f"store{number}"
        process = start(name)
        wait_for(process, tmp_path / name, random.randrange(num_shards - 4))
        time.sleep(random.uniform(0, 0.1))
        done = len([*(tmp_path / name).glob("[!t]*/*.npy")])
        kill(process, victim)
        code = process.wait()
        print(f"{victim} killed after {done} shards: exit code {code}")
        if victim == "driver":
            assert code == -signal.SIGKILL
            assert start(name).wait() == 0
        assert code in (0, -signal.SIGKILL)
        assert read(name) == expected


@pytest.mark.slow
def test_two_commands_at_once_share_the_work(start, read):
    assert start("alone").wait() == 0
    both = [start("shared") for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert read("shared") == read("alone")
