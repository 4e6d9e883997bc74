"""Splits: labels as indices, targets where they are asked for."""

import dataclasses
import hashlib

import numpy as np
import pytest

from tlkeras.data.dataset import Dataset, Example, Ledger, Split, make_split

IMAGENET = 1_280_000, 1000  # images, classes
NAMES = ("ant", "bee", "cat")


@pytest.fixture
def split():
    labels = [("ant",), ("cat", "ant"), ("bee",), ("cat",), ()]
    examples = [Example(f"{i}.png", x) for i, x in enumerate(labels)]
    return make_split(examples, NAMES)


def test_targets_are_multi_hot(split):
    rows = [[1, 0, 0], [1, 0, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    np.testing.assert_array_equal(split.targets, np.float32(rows))
    assert split.targets.dtype == np.float32
    assert split.label_counts().tolist() == split.targets.sum(0).tolist()
    assert split.label_names(NAMES) == ["ant", "ant|cat", "bee", "cat", ""]


def test_targets_of_some_images_are_rows_of_all(split):
    rows = np.array([3, 1, 1, 0])
    np.testing.assert_array_equal(split.targets_of(rows), split.targets[rows])
    taken = split.take(rows)
    np.testing.assert_array_equal(taken.targets, split.targets[rows])


def test_soft_targets_stay_as_they_are(split):
    soft = np.full((5, 3), 1 / 3, np.float32)
    taught = dataclasses.replace(split, labels=soft)
    assert taught.targets is soft
    np.testing.assert_array_equal(taught.targets_of(np.array([1])), soft[:1])
    np.testing.assert_allclose(taught.label_counts(), [5 / 3] * 3, rtol=1e-6)


def test_a_million_labels_take_little_memory():
    images, classes = IMAGENET
    part = images // 100
    names = tuple(f"{i:04}" for i in range(classes))
    examples = [Example("a", (names[i % classes],)) for i in range(part)]
    labels = make_split(examples, names).labels
    held = (labels.data, labels.indices, labels.indptr)
    assert 100 * sum(array.nbytes for array in held) < 50e6


def test_a_fingerprint_is_that_of_dense_targets(split, monkeypatch):
    monkeypatch.setattr("tlkeras.data.dataset.HASHED_ROWS", 2)
    dataset = Dataset("photos", NAMES, True, {"train": split}, Ledger())
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"train{split.digests}{NAMES}".encode())
    digest.update(split.targets.tobytes())
    assert dataset.fingerprint == digest.hexdigest()


def test_a_split_of_no_images_has_no_targets():
    empty = make_split([], NAMES)
    assert empty.targets.shape == (0, 3)
    assert empty.label_counts().tolist() == [0, 0, 0]
    assert isinstance(empty, Split)
