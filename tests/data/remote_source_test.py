"""Images of a store are those of a folder, and each is fetched once."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from tests.web_server import serving
from tlkeras import remote, stores
from tlkeras.data import mirror
from tlkeras.data.folder import list_inputs
from tlkeras.data.load import load_dataset
from tlkeras.data.pipeline import decode_split
from tlkeras.errors import InputError
from tlkeras.report.thumbnails import make_thumbnail


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(stores, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(remote._Outages, "in_a_row", 0)


@pytest.fixture
def photos(tmp_path, photo_folder):
    """Six photos of each class, one of which is turned into a TIFF."""
    folder = tmp_path / "photos"
    for name in ("china", "flower"):
        (folder / name).mkdir(parents=True)
        for path in sorted((photo_folder / name).iterdir())[:6]:
            shutil.copy(path, folder / name)
    path = folder / "china" / "00.jpg"
    Image.open(path).save(path.with_suffix(".tif"))
    path.unlink()
    (folder / "china" / "notes.txt").write_text("no image")
    (folder / ".trash").mkdir()
    (folder / ".trash" / "a.jpg").write_text("hidden")
    return folder


@pytest.fixture
def server(photos):
    with serving(photos) as server:
        yield server


@pytest.fixture
def bucket(photos, memory_url):
    for path in photos.rglob("*.*"):
        if path.is_file():
            name = path.relative_to(photos).as_posix()
            remote.upload(path, f"{memory_url}/photos/{name}")
    return f"{memory_url}/photos"


@pytest.fixture
def reads(monkeypatch):
    """The addresses that are read from."""
    urls, read = [], remote.read_bytes

    def count(url, stamp=None):
        urls.append(url)
        return read(url, stamp)

    monkeypatch.setattr(remote, "read_bytes", count)
    return urls


def describe(dataset, root):
    """What of a data set does not depend on where it lies."""
    return dataset.fingerprint, {
        name: (
            split.digests,
            [path.removeprefix(root) for path in split.paths],
            decode_split(split, (8, 8), num_workers=2).tolist(),
        )
        for name, split in dataset.splits.items()
    }


def test_a_store_is_read_as_a_folder_is(photos, bucket, server):
    local = load_dataset(str(photos))
    expected = describe(local, str(photos))
    passed_over = {Path(e.path).name for e in local.ledger.left_out}
    for url in (bucket, server.url, f"{bucket}/"):
        dataset = load_dataset(url)
        assert describe(dataset, url.rstrip("/")) == expected
        left_out = {Path(e.path).name for e in dataset.ledger.left_out}
        assert left_out == passed_over == {"notes.txt", ".trash"}


def test_a_second_command_reads_only_what_changed(
    bucket, reads, photo_folder, listening_console
):
    first = load_dataset(bucket, console=listening_console)
    assert len(reads) == 12
    assert any("12 remote images" in x for x in listening_console.lines)
    reads.clear()
    again = load_dataset(bucket)
    assert again.fingerprint == first.fingerprint
    decode_split(again.splits["train"], (8, 8), num_workers=1)
    assert not reads
    changed = f"{bucket}/flower/03.jpg"
    remote.upload(photo_folder / "flower" / "20.jpg", changed)
    assert load_dataset(bucket).fingerprint != first.fingerprint
    assert reads == [changed]


def test_the_same_bytes_elsewhere_take_no_second_copy(bucket, server, tmp_path):
    load_dataset(bucket)
    copies = set((tmp_path / "cache" / "remote").rglob("*.img"))
    assert len(copies) == 11  # and a PNG of the TIFF
    load_dataset(server.url)
    assert set((tmp_path / "cache" / "remote").rglob("*.img")) == copies


def test_a_copy_that_was_removed_is_fetched_again(bucket, reads, tmp_path):
    load_dataset(bucket)
    shutil.rmtree(tmp_path / "cache" / "remote")
    reads.clear()
    split = load_dataset(bucket).splits["train"]
    assert len(reads) == 11
    decode_split(split, (8, 8), num_workers=1)
    assert len(reads) == 11


def test_without_room_images_are_read_where_they_lie(
    photos, bucket, reads, tmp_path, monkeypatch, listening_console
):
    monkeypatch.setattr(mirror, "FREE_SHARE", 2)
    dataset = load_dataset(bucket, console=listening_console)
    assert any("has room for" in line for line in listening_console.lines)
    assert not list((tmp_path / "cache" / "remote").rglob("*.img"))
    expected = describe(load_dataset(str(photos)), str(photos))
    reads.clear()
    assert describe(dataset, bucket) == expected
    assert len(reads) == 11  # all but the TIFF, whose PNG is no option
    assert make_thumbnail(reads[0], is_upright=True)


def test_what_cannot_be_read_is_in_the_ledger(server):
    server.faults["/flower/03.jpg"] = ["half"] * 99
    server.faults["/flower/04.jpg"] = [500] * 99
    server.faults["/flower/05.jpg"] = ["reset", 503, "half"]
    server.faults["/china/05.jpg"] = [403]
    dataset = load_dataset(server.url)
    reasons = {e.path: e.reason for e in dataset.ledger.left_out}
    assert "Payload" in reasons[f"{server.url}/flower/03.jpg"]
    reason = reasons[f"{server.url}/flower/04.jpg"]
    assert reason == ("cannot be read (the server answered 500; tried 5 times)")
    assert f"{server.url}/flower/05.jpg" not in reasons
    reason = reasons[f"{server.url}/china/05.jpg"]
    assert reason == "cannot be read (the server answered 403; not permitted)"
    server.faults.clear()
    server.faults["/flower/04.jpg"] = [500] * 99
    with pytest.raises(InputError, match=r"04.jpg' is unusable: .* 5 times"):
        load_dataset(server.url, on_bad_image="fail")
    server.faults.clear()
    assert len(load_dataset(server.url).ledger.left_out) == 2


@pytest.fixture
def rows(photos):
    return [
        {"path": path.relative_to(photos).as_posix(), "label": label}
        for label in ("china", "flower")
        for path in sorted((photos / label).glob("*.jpg"))
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_manifest_names_remote_images(
    tmp_path, photos, bucket, rows, suffix, reads
):
    path = tmp_path / f"m{suffix}"
    table = pd.DataFrame(rows)
    save = table.to_csv if suffix == ".csv" else table.to_parquet
    save(path, index=False)
    shutil.copy(path, photos / path.name)
    local = describe(load_dataset(str(photos / path.name)), str(photos))
    remote.upload(path, f"{bucket}/m{suffix}")
    there = load_dataset(f"{bucket}/m{suffix}")
    assert describe(there, bucket) == local
    table["path"] = [f"{bucket}/{row['path']}" for row in rows]
    save = table.to_csv if suffix == ".csv" else table.to_parquet
    save(path, index=False)
    reads.clear()
    here = load_dataset(str(path))  # of addresses
    assert describe(here, bucket) == local
    assert sorted(reads) == sorted(table["path"])
    reads.clear()
    load_dataset(str(path))
    assert not reads


def test_a_remote_image_that_is_missing_is_left_out(tmp_path, server, rows):
    missing = {"path": "flower/nothing.jpg", "label": "flower"}
    table = pd.DataFrame([*rows, missing])
    table["path"] = [f"{server.url}/{path}" for path in table["path"]]
    table.to_csv(tmp_path / "m.csv", index=False)
    (left_out,) = load_dataset(str(tmp_path / "m.csv")).ledger.left_out
    assert left_out.path == f"{server.url}/flower/nothing.jpg"
    assert left_out.reason.startswith("cannot be read (")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("absent", "There is no folder '.*absent'; expected one with"),
        ("absent.csv", r"The manifest '.*absent.csv' does not exist"),
        ("flower", "holds no class folder with images"),
        ("flower/03.jpg", "There is no folder '.*03.jpg'"),
    ],
)
def test_what_is_no_source_is_told(bucket, name, words):
    with pytest.raises(InputError, match=words):
        load_dataset(f"{bucket}/{name}")


def test_a_prediction_is_asked_for_by_address(bucket):
    assert len(list_inputs([bucket])) == 12
    assert list_inputs([f"{bucket}/flower/03.jpg"]) == [
        f"{bucket}/flower/03.jpg"
    ]
    assert len(list_inputs([f"{bucket}/flower"])) == 6
