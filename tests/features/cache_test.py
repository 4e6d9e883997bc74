import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.features.activations import Activations
from tlkeras.features.cache import ActivationCache, CacheError
from tlkeras.features.engine import Engine
from tlkeras.features.layout import Layout

SHAPES = ((4, 4, 3), (5,))


def outputs(images):
    """A stand-in for a network: exact functions of the pixels."""
    values = images[:, 0, 0, 0].astype(np.float32)
    return [
        np.stack([np.full(shape, v, np.float32) for v in values])
        for shape in SHAPES
    ]


def make_activations(directory, count=40, storage="float32", delay=0.0):
    """Activations of images whose pixels are their own numbers."""
    calls = []

    def read(rows, views):
        time.sleep(delay)
        calls.append(len(rows))
        values = rows * 10 + views
        return np.broadcast_to(
            values[:, None, None, None], (len(rows), 2, 2, 3)
        ).astype(np.float32)

    cache = ActivationCache(directory, Layout(SHAPES, storage))
    result = Activations(
        get_engine=lambda: Engine("test", "float32", 8, outputs),
        read_images=read,
        digests=tuple(f"{number:032x}" for number in range(count)),
        cache=cache,
        num_workers=2,
    )
    return result, calls


@pytest.fixture
def few_rows_a_shard(monkeypatch):
    monkeypatch.setattr("tlkeras.features.layout.MAX_SHARD_ROWS", 8)


def contents(directory):
    return {
        path.name: path.read_bytes()
        for path in sorted(directory.iterdir())
        if path.suffix in (".npy", ".json")
    }


def expected(rows, views):
    return outputs(
        np.broadcast_to(
            (rows * 10 + views)[:, None, None, None], (len(rows), 2, 2, 3)
        )
    )


@pytest.mark.parametrize("storage", ["float32", "float16"])
@pytest.mark.usefixtures("few_rows_a_shard")
def test_what_was_computed_is_read_back(tmp_path, storage):
    activations, _ = make_activations(tmp_path / "s", storage=storage)
    assert activations.fill(2) == 80
    rows, views = np.array([39, 0, 7, 7]), np.array([1, 0, 1, 0])
    for got, wanted in zip(
        activations.rows(rows, views), expected(rows, views), strict=True
    ):
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.usefixtures("few_rows_a_shard")
def test_added_images_cost_only_themselves(tmp_path):
    make_activations(tmp_path / "s", count=20)[0].fill(1)
    more, calls = make_activations(tmp_path / "s", count=30)
    assert more.fill(1) == 10
    assert sum(calls) == 10
    assert more.fill(1) == 0


def test_a_number_too_large_for_float16_is_refused():
    layout = Layout(((2,),), "float16")
    with pytest.raises(InputError, match=r"storage=float32"):
        layout.pack([np.array([[1.0, 1e6]], np.float32)])


def flip_a_byte(path):
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)


def assert_rows(activations):
    rows = np.arange(40)
    for got, wanted in zip(
        activations.rows(rows, rows * 0), expected(rows, 0), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.usefixtures("few_rows_a_shard")
@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("has_index", [True, False])
def test_a_flipped_byte_is_found_and_that_shard_done_again(
    tmp_path, suffix, has_index
):
    make_activations(tmp_path / "s")[0].fill(1)
    before = contents(tmp_path / "s")
    victims = sorted((tmp_path / "s").glob(f"*{suffix}"))[2:4]
    for victim in victims:
        flip_a_byte(victim)
    if not has_index:
        (tmp_path / "s" / "index.npz").unlink()
    again, calls = make_activations(tmp_path / "s")
    told = []
    again.on_repair = told.append
    again.fill(1)
    assert_rows(again)
    assert sum(calls) == 16
    assert sorted(told) == [victim.stem for victim in victims]
    assert contents(tmp_path / "s") == before
    assert make_activations(tmp_path / "s")[0].fill(1) == 0


@pytest.mark.usefixtures("few_rows_a_shard")
def test_an_index_is_a_copy_of_what_the_shards_say(tmp_path):
    index = tmp_path / "s" / "index.npz"
    make_activations(tmp_path / "s", count=30)[0].fill(1)
    early = index.read_bytes()
    make_activations(tmp_path / "s")[0].fill(1)
    for damage in (
        lambda: index.write_bytes(early),  # older than the shards
        lambda: flip_a_byte(index),
        lambda: index.write_bytes(b""),
        index.unlink,
    ):
        damage()
        again, calls = make_activations(tmp_path / "s")
        assert again.fill(1) == 0
        assert_rows(again)
        assert not calls
    next((tmp_path / "s").glob("*.npy")).unlink()
    assert make_activations(tmp_path / "s")[0].fill(1) > 0


def test_a_store_of_an_earlier_version_is_read(tmp_path):
    make_activations(tmp_path / "s")[0].fill(1)
    (header,) = (tmp_path / "s").glob("*.json")
    written = json.loads(header.read_text())
    keys = [[f"{number:032x}", 0] for number in range(40)]
    old = {"checksum": written["checksum"], "keys": keys}
    header.write_text(json.dumps(old))
    again, calls = make_activations(tmp_path / "s")
    assert again.fill(1) == 0
    assert_rows(again)
    assert not calls


def test_a_header_takes_22_bytes_a_key(tmp_path):
    make_activations(tmp_path / "s", count=240)[0].fill(1)
    (header,) = (tmp_path / "s").glob("*.json")
    assert header.stat().st_size < 240 * 22


def test_shards_grow_with_what_is_wanted():
    layout = Layout(((10,),), "float32")
    assert layout.shard_rows(100) == 256
    assert layout.shard_rows(16_000) == 1000
    assert layout.shard_rows(10**6) == 4096
    assert Layout(((10**6,),), "float32").shard_rows(10**6) == 8


FILL = """
import sys, pathlib
sys.path.insert(0, {folder!r})
import tlkeras.features.layout
tlkeras.features.layout.MAX_SHARD_ROWS = 8
from cache_test import make_activations
make_activations(pathlib.Path(sys.argv[1]), delay=float(sys.argv[2]))[0].fill(2)
"""


def fill_elsewhere(directory, delay):
    code = FILL.format(folder=str(Path(__file__).parent))
    return subprocess.Popen(
        [sys.executable, "-c", code, str(directory), str(delay)],
        env=os.environ,
    )


@pytest.mark.usefixtures("few_rows_a_shard")
def test_killed_half_way_it_goes_on_to_equal_bytes(tmp_path):
    make_activations(tmp_path / "whole")[0].fill(2)
    process = fill_elsewhere(tmp_path / "killed", 0.2)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "killed").glob("[!.]*.json"))) < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "killed" / ".half.1.npy").write_bytes(b"half a shard")
    done = len(list((tmp_path / "killed").glob("[!.]*.json")))
    assert done < 10
    again, calls = make_activations(tmp_path / "killed")
    assert again.fill(2) == 80 - 8 * done == sum(calls)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not list((tmp_path / "killed").glob(".*"))


@pytest.mark.usefixtures("few_rows_a_shard")
def test_two_processes_at_once_end_with_one_good_cache(tmp_path):
    make_activations(tmp_path / "whole")[0].fill(2)
    both = [fill_elsewhere(tmp_path / "s", 0.05) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    assert contents(tmp_path / "s") == contents(tmp_path / "whole")


@pytest.mark.usefixtures("few_rows_a_shard")
def test_a_full_disk_leaves_whole_shards_only(tmp_path, monkeypatch):
    activations, _ = make_activations(tmp_path / "s")
    save, written = np.save, []

    def full_after_two(path, rows):
        if len(written) == 2:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        save(path, rows)

    monkeypatch.setattr("tlkeras.features.cache.np.save", full_after_two)
    with pytest.raises(CacheError, match="No space left"):
        activations.fill(1)
    assert activations.cache is None
    assert len(contents(tmp_path / "s")) == 4
    rows = np.arange(40)
    for got, wanted in zip(
        activations.rows(rows, rows * 0), expected(rows, 0), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)
    monkeypatch.undo()
    assert make_activations(tmp_path / "s")[0].fill(1) == 24


def test_a_shard_of_another_layout_counts_as_missing(tmp_path):
    activations, _ = make_activations(tmp_path / "s")
    activations.fill(1)
    other = ActivationCache(tmp_path / "s", Layout(((7,),), "float32"))
    assert len(other.missing([("0" * 32, 0)])) == 1


@pytest.mark.usefixtures("few_rows_a_shard")
def test_few_shards_are_open_at_once(tmp_path, monkeypatch):
    """A mapped file holds a descriptor; a store may have thousands."""
    monkeypatch.setattr("tlkeras.features.cache.MAX_MAPPED", 2)
    make_activations(tmp_path / "s")[0].fill(1)
    activations, _ = make_activations(tmp_path / "s")
    assert activations.fill(1) == 0
    before = len(os.listdir("/proc/self/fd"))
    rows = np.random.default_rng(0).permutation(40)
    got = activations.rows(rows, np.zeros_like(rows))
    for values, wanted in zip(
        got, expected(rows, np.zeros_like(rows)), strict=True
    ):
        np.testing.assert_array_equal(values, wanted)
    assert len(os.listdir("/proc/self/fd")) <= before + 2


@pytest.mark.usefixtures("few_rows_a_shard")
def test_too_many_open_files_are_no_damage(tmp_path, monkeypatch):
    make_activations(tmp_path / "s")[0].fill(1)
    before = contents(tmp_path / "s")

    def refuse(path):
        raise OSError(errno.EMFILE, "Too many open files")

    activations, _ = make_activations(tmp_path / "s")
    monkeypatch.setattr("tlkeras.features.cache._checksum", refuse)
    told = []
    activations.on_loss = told.append
    assert activations.fill(1) == 0
    assert_rows(activations)
    assert "Too many" in str(told[0])
    assert contents(tmp_path / "s") == before
