"""The cache is a convenience: whatever becomes of it, work goes on."""

import errno
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data import shared_folder as sharing
from tlkeras.data.builtin import list_builtin
from tlkeras.data.dataset import Example
from tlkeras.data.split_memory import recall_moves, remember_moves
from tlkeras.features import engine_choice
from tlkeras.features.activations import Activations
from tlkeras.features.cache import ActivationCache, CacheError
from tlkeras.features.engine import Decision, Engine
from tlkeras.features.layout import Layout

ROWS = np.arange(20)


@pytest.fixture
def blocked(tmp_path, monkeypatch):
    """A cache folder below a file: for root too nothing can be written."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "file" / "cache"))
    return tmp_path / "file" / "cache"


def activations_at(directory):
    return Activations(
        get_engine=lambda: Engine("t", "float32", 8, lambda x: [x[:, 0, 0]]),
        read_images=lambda rows, views: np.broadcast_to(
            rows[:, None, None, None], (len(rows), 1, 1, 3)
        ).astype(np.float32),
        digests=tuple(f"{number:032x}" for number in ROWS),
        cache=ActivationCache(directory, Layout(((3,),), "float32")),
        num_workers=1,
    )


def assert_right(activations):
    (rows,) = activations.rows(ROWS, ROWS * 0)
    np.testing.assert_array_equal(rows, ROWS[:, None] * [[1, 1, 1]])


def test_a_folder_that_cannot_be_made_is_given_up(blocked):
    activations = activations_at(blocked)
    with pytest.raises(CacheError, match="TLKERAS_CACHE"):
        activations.fill(1)
    assert_right(activations)


def test_what_is_warm_is_read_without_writing(tmp_path, monkeypatch):
    activations_at(tmp_path / "s").fill(1)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(workdir, "make_directory", refuse)
    warm = activations_at(tmp_path / "s")
    assert warm.fill(1) == 0
    assert warm.cache is not None
    assert_right(warm)


def test_a_shard_that_is_a_folder_is_passed_over(tmp_path):
    activations_at(tmp_path / "s").fill(1)
    (shard,) = (tmp_path / "s").glob("*.npy")
    shard.unlink()
    shard.mkdir()
    again = activations_at(tmp_path / "s")
    with pytest.raises(CacheError):
        again.fill(1)
    assert_right(again)


def test_a_header_that_is_a_folder_or_nested_is_passed_over(tmp_path):
    for make in (
        lambda path: path.mkdir(),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_text("3"),
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        activations_at(folder).fill(1)
        (header,) = folder.glob("*.json")
        header.unlink()
        make(header)
        again = activations_at(folder)
        try:
            again.fill(1)
        except CacheError:
            assert header.is_dir()
        assert_right(again)


def test_a_folder_that_goes_during_a_fill_is_given_up(tmp_path, monkeypatch):
    save = np.save

    def save_and_lose(path, rows):
        save(path, rows)
        shutil.rmtree(tmp_path / "s")

    monkeypatch.setattr("tlkeras.features.cache.np.save", save_and_lose)
    activations = activations_at(tmp_path / "s")
    with pytest.raises(CacheError):
        activations.fill(1)
    assert_right(activations)


def test_a_folder_that_goes_after_the_fill_is_told_of_once(tmp_path):
    told = []
    activations = activations_at(tmp_path / "s")
    activations.on_loss = told.append
    activations.fill(1)
    shutil.rmtree(tmp_path / "s")
    assert_right(activations)
    assert_right(activations)
    assert len(told) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"engine": "absent", "precision": "float32", "reason": ""}',
        '{"engine": ["keras"], "precision": "float32", "reason": ""}',
        json.dumps({"engine": "keras", "precision": None, "reason": "x"}),
    ],
)
def test_a_decision_that_is_garbage_is_made_anew(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    assert engine_choice._recall(path) is None
    path.unlink()
    path.mkdir()
    assert engine_choice._recall(path) is None


def test_a_decision_that_cannot_be_kept_is_a_line(blocked, capsys):
    choice = SimpleNamespace(console=Console())
    engine_choice.CheckedEngine._remember(
        choice, blocked / "x.json", Decision("keras", "float32", "")
    )
    assert "the engine is not remembered" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a,b\n1,2\n", b"digest\x00"])
def test_a_memory_of_splits_that_is_garbage_is_left_out(
    tmp_path, capsys, content
):
    path = tmp_path / "memory.csv"
    path.write_bytes(content)
    assert recall_moves(path) == {}
    path.unlink()
    path.mkdir()
    assert recall_moves(path) == {}
    assert "memory of earlier splits" in capsys.readouterr().err


def test_a_memory_of_splits_that_cannot_be_written_is_a_line(blocked, capsys):
    moved = [Example("a.png", ("a",), "test", digest="0" * 32)]
    remember_moves(blocked / "splits" / "x.csv", moved)
    (line,) = capsys.readouterr().err.splitlines()
    assert "not remembered" in line
    assert "TLKERAS_CACHE" in line


def test_digits_are_there_without_a_cache(blocked, capsys):
    sharing._own_folder.cache_clear()
    assert len(list_builtin("digits")) == 1797
    assert "TLKERAS_CACHE" in capsys.readouterr().err


def test_a_user_without_a_home_has_a_cache_that_is_never_written(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TLKERAS_CACHE", raising=False)
    monkeypatch.setattr("pathlib.Path.home", no_home)
    assert not workdir.cache_directory().exists()
