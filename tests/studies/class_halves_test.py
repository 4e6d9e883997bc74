import types

import numpy as np
import pytest

from tlkeras.data.dataset import Dataset, Ledger, Split
from tlkeras.errors import InputError
from tlkeras.studies.class_halves import (
    draw_halves,
    make_halves,
    read_split_file,
    require_images,
    take_half,
)

NAMES = tuple("abcdefghi")


def make_dataset(counts):
    """Classes -> number of images in each of train and validation."""
    names = tuple(sorted(counts))
    labels = np.repeat(np.arange(len(names)), [counts[n] for n in names])
    targets = np.eye(len(names), dtype=np.float32)[labels]
    paths = tuple(f"{names[label]}/{i}" for i, label in enumerate(labels))
    split = Split(paths, targets, paths)
    splits = {"train": split, "validation": split}
    return Dataset("set", names, False, splits, Ledger())


def test_halves_are_disjoint_and_of_equal_size():
    first, second = draw_halves(NAMES, 3)
    assert len(first.classes) == len(second.classes) == 4
    assert not set(first.classes) & set(second.classes)
    assert {*first.classes, *second.classes} < set(NAMES)
    assert (first.other, second.other) == (second.name, first.name)


def test_the_seed_draws_the_halves():
    assert draw_halves(NAMES, 1) == draw_halves(NAMES, 1)
    drawn = {draw_halves(NAMES, seed)[0].classes for seed in range(8)}
    assert len(drawn) > 4


def test_few_classes_cannot_be_halved():
    with pytest.raises(InputError, match="7 classes; expected at least 8"):
        draw_halves(NAMES[:7], 0)


def test_a_half_has_its_own_labels_and_no_other_images():
    dataset = make_dataset(dict.fromkeys(NAMES, 3))
    half = make_halves(0, {"x": ["c", "a"], "y": ["b"]})[0]
    taken = take_half(dataset.splits["train"], dataset, half, 4)
    assert [path[0] for path in taken.paths] == ["a"] * 3 + ["c"] * 3
    assert taken.targets.shape == (6, 4)
    assert taken.targets.argmax(1).tolist() == [0, 0, 0, 1, 1, 1]
    assert (taken.targets.sum(1) == 1).all()


def write_halves(path, **members):
    rows = [f"{c},{half}" for half, cs in members.items() for c in cs]
    path.write_text("\n".join(["class,half", *rows]) + "\n")
    return path


def test_named_halves_are_read_and_other_classes_left_out(tmp_path):
    path = write_halves(tmp_path / "s.csv", made="abcd", natural="efgh")
    assert read_split_file(path, NAMES) == {
        "made": list("abcd"),
        "natural": list("efgh"),
    }


def test_the_same_classes_twice_are_a_control(tmp_path):
    path = write_halves(tmp_path / "s.csv", one="abcd", two="abcd")
    one, two = read_split_file(path, NAMES).values()
    assert one == two


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"one": "abcd", "two": "defg"}, "class 'd' in both halves"),
        ({"one": "abcd", "two": "xfgh"}, "names the class 'x'"),
        ({"one": "abcd", "two": "efg"}, r"one \(4\), two \(3\)"),
        ({"one": "abcd"}, "expected two of at least 4"),
        ({"one": "abcd", "../b": "efgh"}, "a half that can name a file"),
        ({}, "halves of no class"),
    ],
)
def test_an_unusable_split_file_is_refused(tmp_path, members, text):
    path = write_halves(tmp_path / "s.csv", **members)
    with pytest.raises(InputError, match=text):
        read_split_file(path, NAMES)


def test_a_missing_split_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_split_file(tmp_path / "none.csv", NAMES)


def test_a_class_with_one_image_is_refused():
    dataset = make_dataset({**dict.fromkeys(NAMES, 2), "c": 1})
    with pytest.raises(InputError, match="'c' has 1 training and 1 validation"):
        require_images(dataset, draw_halves([*"abcdefgh"], 0))
    enough = make_dataset(dict.fromkeys(NAMES, 2))
    require_images(enough, draw_halves([*"abcdefgh"], 0))


def test_several_labels_cannot_be_halved():
    dataset = types.SimpleNamespace(multi_label=True, source="set")
    with pytest.raises(InputError, match="several labels"):
        require_images(dataset, [])
