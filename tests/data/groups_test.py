"""Images that belong together lie in one split."""

from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from tlkeras.data.dataset import Example
from tlkeras.data.groups import set_groups
from tlkeras.data.load import load_dataset, write_run_split
from tlkeras.data.splits import assign_splits, unit_of
from tlkeras.errors import InputError

SETTINGS = {
    "stated": {None},
    "decided": frozenset(),
    "fractions": (0.7, 0.15, 0.15),
    "seed": 0,
    "moved_before": {},
}


def make_examples(num_groups, group_size, num_classes=2, first=0):
    """A group holds images of one class, or of two in turn."""
    return [
        Example(
            f"p{group}/{number}.jpg",
            (f"c{(group + number * (group % 3 == 0)) % num_classes}",),
            group=f"p{group}",
            digest=f"{group}-{number}",
        )
        for group in range(first, first + num_groups)
        for number in range(group_size)
    ]


def splits_by_group(examples):
    found = defaultdict(set)
    for example in examples:
        found[example.group].add(example.split)
    return found


@pytest.mark.parametrize("num_groups", [4, 7, 40])
def test_a_group_lies_in_one_split_and_each_class_in_all(num_groups):
    for seed in range(20):
        examples = make_examples(num_groups, 5)
        placed, _ = assign_splits(examples, **{**SETTINGS, "seed": seed})
        assert all(len(s) == 1 for s in splits_by_group(placed).values())
        for label in ("c0", "c1"):
            there = {e.split for e in placed if label in e.labels}
            assert {"train", "validation"} <= there


def test_a_group_stays_where_it_is_when_others_come():
    few, _ = assign_splits(make_examples(40, 3), **SETTINGS)
    more, _ = assign_splits(make_examples(60, 4), **SETTINGS)
    before, after = splits_by_group(few), splits_by_group(more)
    assert all(after[group] == before[group] for group in before)


def test_a_group_that_was_moved_once_is_moved_as_a_whole():
    examples = make_examples(40, 3)
    placed, _ = assign_splits(examples, **SETTINGS)
    one = next(e for e in placed if e.split == "train")
    again, moved = assign_splits(
        examples, **{**SETTINGS, "moved_before": {one.digest: "test"}}
    )
    assert splits_by_group(again)[one.group] == {"test"}
    assert {e.digest for e in moved} == {
        e.digest for e in examples if e.group == one.group
    }


def test_images_alone_are_divided_as_before():
    examples = [Example(f"{i}.jpg", ("x",), digest=str(i)) for i in range(9)]
    assert [unit_of(example) for example in examples] == list("012345678")


def draw(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(value).integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def patients(tmp_path):
    """Ten patients of each of two classes, three images each."""
    value = 0
    for label in ("ill", "well"):
        for patient in range(10):
            for number in range(3):
                value += 1
                name = f"{label}{patient}_{number}.png"
                draw(tmp_path / "data" / label / name, value)
    return tmp_path / "data"


def groups_of(dataset):
    return {
        name: {path.rpartition("/")[2].split("_")[0] for path in split.paths}
        for name, split in dataset.splits.items()
    }


def test_an_expression_finds_the_groups_of_a_folder(patients):
    dataset = load_dataset(str(patients), group_by=r"(\w+?)_\d\.png")
    found = groups_of(dataset)
    names = [name for split in found.values() for name in split]
    assert len(names) == len(set(names)) == 20
    train = dataset.splits["train"]
    assert len(train.groups) == len(train)
    assert set(train.take(np.arange(3)).groups) <= set(train.groups)
    alone = groups_of(load_dataset(str(patients)))
    assert alone["train"] & alone["test"]  # what the groups prevent


def test_a_manifest_names_groups_in_a_column(patients):
    rows = [
        f"{path},{path.parent.name},{path.name.split('_')[0]}"
        for path in sorted(patients.glob("*/*.png"))
    ]
    manifest = patients.parent / "images.csv"
    manifest.write_text("\n".join(["path,label,group", *rows]))
    by_column = load_dataset(str(manifest))
    by_name = load_dataset(str(patients), group_by=r"(\w+?)_\d\.png")
    assert groups_of(by_column) == groups_of(by_name)
    manifest.write_text(
        "\n".join(["path,label,group", *rows[:-1], rows[-1] + "x"])
    )
    with pytest.raises(InputError, match="Both --config"):
        load_dataset(str(manifest), group_by="x")
    manifest.write_text(
        "\n".join(["path,label,group", *rows[:5], rows[5][:-5], *rows[6:]])
    )
    with pytest.raises(InputError, match=r"Row 7 of .* has no group"):
        load_dataset(str(manifest))


def test_a_group_in_two_stated_splits_is_refused(patients):
    rows = [
        f"{path},{path.parent.name},{path.name.split('_')[0]},"
        f"{'test' if path.stem.endswith('0') else 'train'}"
        for path in sorted(patients.glob("*/*.png"))
    ]
    manifest = patients.parent / "images.csv"
    manifest.write_text("\n".join(["path,label,group,split", *rows]))
    with pytest.raises(InputError, match=r"has images in .*test.* and"):
        load_dataset(str(manifest))


def test_new_images_follow_their_group_in_a_split_file(patients, tmp_path):
    options = {"group_by": r"(\w+?)_\d+\.png"}
    before = load_dataset(str(patients), **options)
    write_run_split(tmp_path / "split.csv", before)
    value = 1000
    for label in ("ill", "well"):
        for patient in range(10):
            value += 1
            draw(patients / label / f"{label}{patient}_7.png", value)
    after = load_dataset(
        str(patients),
        split_file=str(tmp_path / "split.csv"),
        split_seed=99,
        **options,
    )
    assert groups_of(after) == groups_of(before)
    assert sum(len(s) for s in after.splits.values()) == 80


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("(", "is no regular expression"),
        (r"ill(\d)", "finds no group in"),
        ("(x?)", "finds no group in"),
        ("/data/(ill|well)/", "All images of the class 'ill' are of the group"),
    ],
)
def test_groups_that_make_no_sense_are_refused(patients, group_by, expected):
    with pytest.raises(InputError, match=expected) as refused:
        load_dataset(str(patients), group_by=group_by)
    assert "\n" not in str(refused.value)


def test_what_is_passed_over_needs_no_group():
    passed = Example("notes.txt", (), problem="is no image")
    found = set_groups([passed, Example("p1/a.jpg", ("x",))], r"p\d")
    assert [example.group for example in found] == ["", "p1"]
