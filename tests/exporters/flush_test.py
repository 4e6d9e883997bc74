"""What is written is on the disk before it is moved, on all systems."""

import os

import pytest

from tlkeras.exporters.publish import flush


@pytest.fixture
def written(tmp_path):
    (tmp_path / "variables").mkdir()
    files = [tmp_path / "saved_model.pb", tmp_path / "variables" / "index"]
    for path in files:
        path.write_text("a")
    return files


def opened_paths(monkeypatch, is_refused=lambda path, flags: False):
    """Returns descriptor -> path of what is opened from now on."""
    really_open, opened = os.open, {}

    def open_one(path, flags, *rest, **named):
        if is_refused(path, flags):
            raise PermissionError(13, "Permission denied")
        descriptor = really_open(path, flags, *rest, **named)
        opened[descriptor] = path, flags
        return descriptor

    monkeypatch.setattr(os, "open", open_one)
    return opened


@pytest.mark.parametrize("is_windows", [False, True])
def test_every_file_is_flushed(tmp_path, written, monkeypatch, is_windows):
    flushed = []

    def flush_one(descriptor):
        path, flags = opened[descriptor]
        if is_windows and not flags & os.O_RDWR:
            raise OSError(9, "Bad file descriptor")
        flushed.append(path)

    opened = opened_paths(
        monkeypatch, lambda path, _: is_windows and os.path.isdir(path)
    )
    monkeypatch.setattr(os, "fsync", flush_one)
    flush(tmp_path)
    assert set(written) <= set(flushed)
    assert (tmp_path in flushed) != is_windows


def test_a_file_that_cannot_be_flushed_is_an_error(
    tmp_path, written, monkeypatch
):
    opened_paths(monkeypatch, lambda path, _: path == written[0])
    with pytest.raises(PermissionError):
        flush(tmp_path)
