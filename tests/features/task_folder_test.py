import numpy as np
import pytest

from tlkeras.features import task_folder
from tlkeras.features.task_folder import TaskFolder
from tlkeras.features.tasks import BadImage, ShardRecord


@pytest.fixture
def folder(tmp_path):
    folder = TaskFolder(tmp_path / "tasks")
    folder.create()
    return folder


def record_of(seconds=1.0):
    return ShardRecord("name", (("ab", 0), ("cd", 0)), (), seconds)


def test_the_first_of_two_writers_wins(folder):
    first = folder.commit(record_of(1.0), np.full((2, 3), 1.0))
    second = folder.commit(record_of(2.0), np.full((2, 3), 2.0))
    assert first == second == record_of(1.0)
    assert (folder.read_rows("name") == 1).all()
    assert folder.staged() == ["name"]
    assert len([*(folder.directory / "staged").iterdir()]) == 1


@pytest.mark.parametrize("number", task_folder.NO_LINKS)
def test_a_disk_without_links_is_written_too(folder, monkeypatch, number):
    def refuse(source, target):
        raise OSError(number, "no links here")

    monkeypatch.setattr(task_folder.os, "link", refuse)
    folder.commit(record_of(), np.ones((2, 3)))
    assert folder.find("name") == record_of()


def test_a_full_disk_is_an_error_and_leaves_nothing(folder, monkeypatch):
    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(task_folder.os, "link", refuse)
    with pytest.raises(OSError, match="No space left"):
        folder.commit(record_of(), np.ones((2, 3)))
    assert not [*(folder.directory / "staged").iterdir()]


@pytest.mark.parametrize("keep", [0, 10, 200, -30])
def test_a_damaged_file_counts_as_none(folder, keep):
    folder.commit(record_of(), np.ones((2, 3)))
    path = folder.directory / "staged" / "name.npz"
    path.write_bytes(path.read_bytes()[:keep])
    assert folder.find("name") is None
    assert folder.read_rows("name") is None
    folder.commit(record_of(), np.ones((2, 3)))
    assert folder.find("name") == record_of()


def test_flipped_bits_are_found(folder):
    folder.commit(record_of(), np.ones((2, 3)))
    path = folder.directory / "staged" / "name.npz"
    content = bytearray(path.read_bytes())
    place = content.index(np.ones((2, 3)).tobytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert folder.read_rows("name") is None


def test_attempts_count_processes_that_died(folder):
    for _ in range(3):
        with folder.attempt("name") as number:
            assert number == 1
    with pytest.raises(ValueError, match="no death"), folder.attempt("name"):
        raise ValueError("no death")
    never_ended = [folder.attempt("name") for _ in range(3)]
    assert [attempt.__enter__() for attempt in never_ended] == [1, 2, 3]


def test_the_ledger_reads_back(folder):
    assert folder.read_bad() == {}
    images = [BadImage("a\udce9", "ab", "is bad", True)]
    folder.write_bad(images)
    assert [*folder.read_bad().values()] == images
