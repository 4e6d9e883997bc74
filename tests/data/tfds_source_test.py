import shutil

import pytest

from tlkeras.data.load import load_dataset
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
