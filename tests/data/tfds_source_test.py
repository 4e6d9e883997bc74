import shutil

import pytest

from tlkeras.data import mirror, tfds_records
from tlkeras.data.contents import read_content, size_of
from tlkeras.data.load import load_dataset
from tlkeras.data.pipeline import decode_split
from tlkeras.data.scan_memory import stamp_of
from tlkeras.data.tfds_source import list_tfds
from tlkeras.errors import InputError


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("tfds"))


def test_digits_through_tfds_are_the_built_in_digits(data_dir):
    through_tfds = load_dataset("tfds:tlkeras_digits", tfds_data_dir=data_dir)
    built_in = load_dataset("digits")
    assert through_tfds.class_names == built_in.class_names
    total = sum(map(len, through_tfds.splits.values()))
    assert total == sum(map(len, built_in.splits.values()))
    # The encoded bytes differ, the divisions need not: the pixels agree.
    assert set(through_tfds.splits) == {"train", "validation", "test"}


def test_split_expressions_are_honoured(data_dir):
    examples = list_tfds(
        "tlkeras_digits",
        data_dir=data_dir,
        split_names=("train[:80%]", "train[80%:90%]", "train[90%:]"),
    )
    counts = {s: sum(e.split == s for e in examples) for s in ("train", "test")}
    assert counts["train"] == pytest.approx(0.8 * 1797, abs=2)
    assert counts["test"] == pytest.approx(0.1 * 1797, abs=2)


def test_unknown_names_and_splits_are_refused(data_dir):
    with pytest.raises(
        InputError, match=r"has no data set 'tfds:tlkeras_digit'"
    ):
        list_tfds(
            "tlkeras_digit", data_dir=data_dir, split_names=("train", "", "")
        )
    with pytest.raises(InputError, match="has no split 'training'"):
        list_tfds(
            "tlkeras_digits",
            data_dir=data_dir,
            split_names=("training", "", ""),
        )


def test_image_folder_is_read_where_it_lies(tmp_path, photo_folder):
    for split in ("train", "test"):
        shutil.copytree(photo_folder, tmp_path / split)
    examples = list_tfds(
        f"ImageFolder:{tmp_path}",
        data_dir="",
        split_names=("train", "", "test"),
    )
    assert len(examples) == 160
    assert {e.split for e in examples} == {"train", "test"}
    assert all(e.path.startswith(str(tmp_path)) for e in examples)
    assert all(e.labels[0] in e.path for e in examples)


def test_an_image_folder_without_structure_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no TFDS image folder"):
        list_tfds(f"ImageFolder:{tmp_path}", data_dir="", split_names=())


def test_a_damaged_file_in_an_image_folder_is_left_out(tmp_path, photo_folder):
    shutil.copytree(photo_folder, tmp_path / "train")
    (tmp_path / "train" / "china" / "bad.jpg").write_text("rubbish")
    dataset = load_dataset(f"tfds:ImageFolder:{tmp_path}")
    assert [e.path.split("/")[-1] for e in dataset.ledger.left_out] == [
        "bad.jpg"
    ]


def test_a_malformed_split_expression_is_refused(data_dir):
    with pytest.raises(InputError, match="does not understand the split"):
        list_tfds(
            "tlkeras_digits",
            data_dir=data_dir,
            split_names=("train[:x%]", "", ""),
        )


@pytest.fixture
def list_digits(data_dir, tmp_path, monkeypatch, listening_console):
    """Lists some of the digits with an empty cache, with or without room."""

    def list_some(room, *, split_names=("train[10:50]", "", "train[60:90]")):
        monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / f"{room}"))
        monkeypatch.setattr(mirror, "FREE_SHARE", 0 if room else 2)
        return list_tfds(
            "tlkeras_digits",
            data_dir=data_dir,
            split_names=split_names,
            console=listening_console,
        )

    return list_some


def test_without_room_records_are_read_where_they_lie(
    list_digits, data_dir, tmp_path, listening_console
):
    def describe(examples):
        return [(read_content(e.path), e.labels, e.split) for e in examples]

    copied, found = list_digits(True), list_digits(False)
    assert len(copied) == 70
    assert describe(found) == describe(copied)
    first, second = listening_console.lines
    assert "70 images, 0.0 MiB, copied to" in first
    assert f"has room for, and read in '{data_dir}" in second
    assert not list((tmp_path / "False").rglob("*.img"))
    # The list is kept, and so is what a scan found.
    assert list_digits(False) == found
    assert len(listening_console.lines) == 2
    assert all(e.path.endswith("of-00001") for e in found)
    assert len({stamp_of(e.path) for e in found}) == 1
    assert size_of(found[0].path) == len(read_content(found[0].path))


def test_records_are_a_data_set_like_copies(data_dir, tmp_path, monkeypatch):
    fingerprints = []
    for share in (0, 2):
        monkeypatch.setattr(mirror, "FREE_SHARE", share)
        monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / str(share)))
        dataset = load_dataset(
            "tfds:tlkeras_digits",
            tfds_data_dir=data_dir,
            tfds_splits=("train[:60]", "train[60:80]", ""),
        )
        images = decode_split(dataset.splits["train"], (8, 8), num_workers=1)
        fingerprints.append((dataset.fingerprint, images.tobytes()))
    assert fingerprints[0] == fingerprints[1]


def test_without_room_other_formats_are_refused(list_digits, monkeypatch):
    monkeypatch.setattr(tfds_records, "FORMAT", "another")
    with pytest.raises(InputError, match=r"no room to copy .* as tfrecord"):
        list_digits(False)
