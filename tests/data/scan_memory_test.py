"""A second scan reads what changed, and nothing else."""

import os
import shutil

import pytest

from tlkeras import workdir
from tlkeras.data import scan as scan_module
from tlkeras.data import scan_memory
from tlkeras.data.load import load_dataset


@pytest.fixture
def folder(photo_folder, tmp_path, monkeypatch):
    """Some photos, and a cache of their own; written long ago."""
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(scan_memory, "SETTLED_NS", 0)
    return shutil.copytree(photo_folder, tmp_path / "photos")


@pytest.fixture
def read(monkeypatch):
    """The names of the files that scans read."""
    names, inspect = [], scan_module.inspect_file

    def look(path, max_pixels, stamp):
        names.append(
            os.path.basename(os.path.dirname(path))
            + "/"
            + os.path.basename(path)
        )
        return inspect(path, max_pixels, stamp)

    monkeypatch.setattr(scan_module, "inspect_file", look)
    return names


def load_again(folder, read):
    read.clear()
    return load_dataset(str(folder)), sorted(read)


def test_a_second_scan_reads_nothing_and_finds_the_same(folder, read):
    (folder / "china" / "broken.jpg").write_bytes(b"no image")
    first, names = load_again(folder, read)
    assert len(names) == 81
    again, names = load_again(folder, read)
    assert names == ["china/broken.jpg"]  # may have been mended elsewhere
    assert again.fingerprint == first.fingerprint
    assert again.ledger == first.ledger
    for name, split in first.splits.items():
        assert again.splits[name].hashes == split.hashes


def test_what_changed_is_read_also_under_an_old_date(folder, read):
    load_again(folder, read)
    old, new, gone, edited = (
        folder / "china" / f"0{number}.jpg" for number in range(4)
    )
    stat = old.stat()
    content = bytearray(old.read_bytes())
    content[-3] ^= 1  # same size
    old.write_bytes(content)
    os.utime(old, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    shutil.copy2(new, folder / "china" / "new.jpg")
    gone.unlink()
    os.utime(edited)
    before, names = load_again(folder, read)
    assert names == ["china/00.jpg", "china/03.jpg", "china/new.jpg"]
    shutil.rmtree(workdir.cache_directory() / "scans")
    alone, names = load_again(folder, read)
    assert len(names) == 80
    assert alone.fingerprint == before.fingerprint


def test_a_file_that_has_just_changed_is_not_remembered(
    folder, read, monkeypatch
):
    monkeypatch.setattr(scan_memory, "SETTLED_NS", 3600 * 10**9)
    load_again(folder, read)
    _, names = load_again(folder, read)
    assert len(names) == 80


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[1]\n", b'["a", 5, "b", true, 3, ""]\n', b"\xff"]
)
def test_a_damaged_memory_is_made_anew(folder, read, damage):
    first, _ = load_again(folder, read)
    (memory,) = (workdir.cache_directory() / "scans").iterdir()
    memory.write_bytes(damage)
    again, names = load_again(folder, read)
    assert len(names) == 80
    assert again.fingerprint == first.fingerprint
    assert load_again(folder, read)[1] == []


def test_a_cache_that_cannot_be_written_costs_time_only(
    folder, read, monkeypatch, tmp_path, capsys
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "file" / "cache"))
    first, _ = load_again(folder, read)
    again, names = load_again(folder, read)
    assert len(names) == 80
    assert again.fingerprint == first.fingerprint


def test_another_limit_of_pixels_is_another_scan(folder, read):
    import dataclasses

    from tlkeras.data.definition import CURRENT

    load_again(folder, read)
    read.clear()
    load_dataset(
        str(folder), definition=dataclasses.replace(CURRENT, max_pixels=10**6)
    )
    assert len(read) == 80


def test_a_terminal_is_shown_how_far_it_is(folder):
    class Bar:
        def __init__(self):
            self.seen = []

        def start(self, title, total):
            self.seen.append((title, total))

        def advance_to(self, completed):
            self.seen.append(completed)

        def stop(self):
            self.seen.append("end")

    bar = Bar()
    load_dataset(str(folder), console=bar)
    assert bar.seen == [("reading images", 80), *range(1, 81), "end"]


def test_sixty_thousand_files_are_known_from_few_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(scan_memory, "SETTLED_NS", 0)
    files = []
    for number in range(2000):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(b"")
        files += [str(path)] * 30
    stamps = {path: scan_memory.stamp_of(path) for path in set(files)}
    memory = tmp_path / "memory.jsonl"
    report = scan_memory.FileReport("0" * 32, "", False, 2**63, "")
    scan_memory.remember(memory, ((p, stamps[p], report) for p in files))
    known = scan_memory.recall(memory)
    found = [
        scan_memory.find_known(known, p, scan_memory.stamp_of(p)) for p in files
    ]
    assert found == [report] * 60_000
    assert memory.stat().st_size / 60_000 < 300
