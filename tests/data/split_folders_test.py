"""Which folders are splits and which are classes."""

import shutil

import pytest

from tlkeras.data.folder import list_folder
from tlkeras.data.load import load_dataset
from tlkeras.data.split_names import split_of
from tlkeras.errors import InputError


def put(photo_folder, target, count=2, names=("china", "flower")):
    """Puts a few images below a folder: of each class, or loose."""
    for name in names:
        (target / name).mkdir(parents=True, exist_ok=True)
        for path in sorted((photo_folder / "china").iterdir())[:count]:
            shutil.copy(path, target / name)


@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (("Training", "Testing"), {"train", "test"}),
        (("train", "testing"), {"train", "test"}),
        (("train", "eval"), {"train", "validation"}),
        (("seg_train", "seg_test"), {"train", "test"}),
        (("TRAIN", "Dev", "holdout"), {"train", "validation", "test"}),
        (("train_set", "test_set"), {"train", "test"}),
        (("Training Set", "validation-data"), {"train", "validation"}),
        (("train2017", "val2017"), {"train", "validation"}),
    ],
)
def test_split_folders_are_no_classes(tmp_path, photo_folder, folders, splits):
    for name in folders:
        put(photo_folder, tmp_path / name)
    found = list_folder(tmp_path)
    assert {e.labels for e in found} == {("china",), ("flower",)}
    assert {e.split for e in found} == splits


def test_a_split_folder_within_its_own_is_opened(tmp_path, photo_folder):
    put(photo_folder, tmp_path / "seg_train" / "seg_train")
    put(photo_folder, tmp_path / "seg_test" / "seg_test")
    found = list_folder(tmp_path)
    assert {e.labels for e in found} == {("china",), ("flower",)}


def test_a_stray_image_does_not_make_a_split_a_class(tmp_path, photo_folder):
    for name in ("train", "val"):
        put(photo_folder, tmp_path / name)
    shutil.copy(photo_folder / "china" / "00.jpg", tmp_path / "train")
    found = list_folder(tmp_path)
    assert {e.labels for e in found} == {("china",), ("flower",)}


@pytest.mark.parametrize(
    ("nested", "flat", "message"),
    [
        (("val", "test"), (), "test and val, but no training images"),
        (("train",), ("unlabeled",), "holds 'unlabeled' beside train"),
        (("train", "extra"), (), "holds 'extra' beside train"),
        (("train",), ("test1",), "'test1', without class folders"),
        ((), ("train", "test"), "holds 'test', without class folders"),
        (("train", "val", "valid"), (), "val and valid, which mean the same"),
        (("camera1", "camera2"), (), "holds camera1 and camera2, with folders"),
        (("color", "grayscale", "x"), (), "color and grayscale, with folders"),
        (("train", "seg_train"), (), "seg_train and train, which mean"),
    ],
)
def test_what_cannot_be_decided_is_refused(
    tmp_path, photo_folder, nested, flat, message
):
    for name in nested:
        put(photo_folder, tmp_path / name)
    put(photo_folder, tmp_path, names=flat)
    with pytest.raises(InputError, match=message):
        list_folder(tmp_path)


def test_splits_below_classes_are_refused(tmp_path, photo_folder):
    for name in ("cat", "dog"):
        put(photo_folder, tmp_path / name, names=("train", "test"))
    with pytest.raises(InputError, match="holds cat, with folders test, train"):
        list_folder(tmp_path)


@pytest.mark.parametrize("word", ["train", "test", "dev"])
def test_a_class_may_be_called_like_a_split(tmp_path, photo_folder, word):
    put(photo_folder, tmp_path, names=(word, "car", "bus"))
    labels = {e.labels[0] for e in list_folder(tmp_path)}
    assert labels == {word, "car", "bus"}


def test_classes_may_hold_folders_of_their_own(tmp_path, photo_folder):
    put(photo_folder, tmp_path / "cat", names=("kitten", "old"))
    put(photo_folder, tmp_path / "dog", names=("old", "puppy"))
    assert {e.labels[0] for e in list_folder(tmp_path)} == {"cat", "dog"}


@pytest.mark.parametrize("name", ["trainer", "tests for", "value", "contest"])
def test_other_words_are_no_splits(name):
    assert split_of(name) is None


@pytest.mark.parametrize("other", ["China", "china ", "chinas"])
def test_a_class_of_another_name_in_a_split_is_hinted(
    tmp_path, photo_folder, other
):
    put(photo_folder, tmp_path / "train", count=6)
    for name, start in (("val", 10), ("test", 20)):
        for label in ("china", "flower"):
            target = other if label == "china" and name == "test" else label
            (tmp_path / name / target).mkdir(parents=True)
            for path in sorted((photo_folder / label).iterdir())[start:][:3]:
                shutil.copy(path, tmp_path / name / target)
    for path in (tmp_path / "train" / "flower").iterdir():
        shutil.copy(photo_folder / "flower" / path.name, path)
    with pytest.raises(InputError, match="Did you mean 'china'"):
        load_dataset(str(tmp_path))


def test_a_grid_of_folders_is_refused_with_both_ways_out(
    tmp_path, photo_folder
):
    for name in ("cat", "dog"):
        put(photo_folder, tmp_path / name, names=("left", "right"))
    with pytest.raises(InputError, match=r"and dog, .* left, right in each"):
        list_folder(tmp_path)
    for side in ("left", "right"):  # as the message advises
        inner = tmp_path / "dog" / side
        inner.rename(inner.with_name(f"dog_{side}"))
    assert {e.labels[0] for e in list_folder(tmp_path)} == {"cat", "dog"}


@pytest.mark.parametrize("inner", [("cat", "dog"), ("train", "test")])
def test_the_folder_below_is_named_where_it_was_meant(
    tmp_path, photo_folder, inner
):
    put(photo_folder, tmp_path / "archive", names=inner)
    with pytest.raises(InputError, match=f"--data='{tmp_path}/archive'"):
        list_folder(tmp_path)


def test_an_empty_split_is_to_be_filled_or_removed(tmp_path, photo_folder):
    put(photo_folder, tmp_path / "train")
    (tmp_path / "val" / "china").mkdir(parents=True)
    with pytest.raises(InputError, match=r"'val', without .* fill it, or move"):
        list_folder(tmp_path)
