import shutil

import numpy as np
import pytest

from tlkeras.data.dataset import Example
from tlkeras.data.load import load_dataset, write_run_split
from tlkeras.data.splits import (
    assign_splits,
    boundaries,
    require_trainable,
    take_few,
    unit_interval,
)
from tlkeras.errors import InputError

FRACTIONS = (0.7, 0.15, 0.15)


def make_examples(count, classes=("a", "b"), split=None):
    return [
        Example(f"{label}/{i}", (label,), split, f"{label}{i}")
        for label in classes
        for i in range(count)
    ]


def assign(examples, **changes):
    settings = {
        "stated": {example.split for example in examples},
        "decided": set(),
        "fractions": FRACTIONS,
        "seed": 0,
        "moved_before": {},
    }
    return assign_splits(examples, **{**settings, **changes})


def places(examples):
    return {example.path: example.split for example in examples}


def test_shares_are_as_asked_for():
    placed, _ = assign(make_examples(2000))
    shares = [
        np.mean([e.split == name for e in placed])
        for name in ("train", "validation", "test")
    ]
    np.testing.assert_allclose(shares, FRACTIONS, atol=0.02)


def test_a_file_stays_where_it_is_when_others_are_added():
    few, moved = assign(make_examples(50))
    assert not moved
    many = places(assign(make_examples(500))[0])
    assert all(many[path] == split for path, split in places(few).items())


def test_another_seed_divides_differently():
    first, second = (
        places(assign(make_examples(100), seed=s)[0]) for s in (0, 1)
    )
    assert first != second


def test_the_hash_is_uniform():
    values = [unit_interval(0, str(i)) for i in range(4000)]
    histogram, _ = np.histogram(values, 8, (0, 1))
    assert abs(histogram / 500 - 1).max() < 0.2


def test_every_class_gets_an_image_in_every_split():
    placed, moved = assign(make_examples(3, classes="abcdefgh"))
    assert moved
    for label in "abcdefgh":
        mine = {e.split for e in placed if e.labels == (label,)}
        assert mine == {"train", "validation", "test"}


def test_a_moved_file_stays_moved_when_others_are_added():
    _, moved = assign(make_examples(3, classes="abcdefgh"))
    before = {example.digest: example.split for example in moved}
    placed, _ = assign(
        make_examples(60, classes="abcdefgh"), moved_before=before
    )
    by_digest = {example.digest: example.split for example in placed}
    assert all(by_digest[digest] == split for digest, split in before.items())


def test_given_splits_are_kept_and_validation_comes_out_of_train():
    train = make_examples(200, split="train")
    test = [Example(f"t{i}", ("a",), "test", f"t{i}") for i in range(20)]
    placed, _ = assign(train + test)
    assert sum(e.split == "test" for e in placed) == 20
    share = sum(e.split == "validation" for e in placed) / 400
    assert share == pytest.approx(0.15 / 0.85, abs=0.04)


def test_boundaries_leave_out_empty_shares():
    assert set(boundaries((0.8, 0.2, 0.0))) == {"train", "validation"}


def test_few_shot_subsets_grow_without_changing():
    placed, _ = assign(make_examples(100))

    def train_paths(count):
        few = take_few(placed, images_per_class=count, seed=0)
        return {e.path for e in few if e.split == "train"}

    assert len(train_paths(5)) == 10
    assert train_paths(5) < train_paths(10)


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (make_examples(5, classes="a", split="train"), "has one class only"),
        (
            [
                *make_examples(5, split="train"),
                Example("c", ("c",), "train", "c"),
            ],
            "class 'c' of 'x' has one usable image",
        ),
        (make_examples(5, split="train"), "has no validation image"),
        (
            make_examples(5, classes="a", split="train")
            + make_examples(5, classes="b", split="validation"),
            "class 'b' of 'x' has no training image",
        ),
    ],
)
def test_untrainable_sets_are_refused(examples, message):
    with pytest.raises(InputError, match=message):
        require_trainable(examples, "x")


def test_a_split_file_is_taken_over(tmp_path, photo_folder):
    first = load_dataset(str(photo_folder), split_seed=7)
    write_run_split(tmp_path / "split.csv", first)
    second = load_dataset(
        str(photo_folder), split_seed=8, split_file=str(tmp_path / "split.csv")
    )
    assert {n: s.digests for n, s in first.splits.items()} == {
        n: s.digests for n, s in second.splits.items()
    }
    with pytest.raises(InputError, match=r"split file .* does not exist"):
        load_dataset(str(photo_folder), split_file="absent.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="is no split file"):
        load_dataset(str(photo_folder), split_file=str(tmp_path / "other.csv"))


def test_new_images_are_divided_beside_a_split_file(tmp_path, photo_folder):
    half = tmp_path / "half"
    for name in ("china", "flower"):
        (half / name).mkdir(parents=True)
        for path in sorted((photo_folder / name).iterdir())[:20]:
            shutil.copy(path, half / name)
    first = load_dataset(str(half), split_seed=3)
    write_run_split(tmp_path / "split.csv", first)
    whole = load_dataset(
        str(photo_folder), split_seed=3, split_file=str(tmp_path / "split.csv")
    )
    alone = load_dataset(str(photo_folder), split_seed=3)
    for name, members in first.splits.items():
        assert set(members.digests) <= set(whole.splits[name].digests)
        assert set(whole.splits[name].digests) == set(
            alone.splits[name].digests
        )
