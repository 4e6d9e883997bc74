"""A review file: rows that survive, and what the next run makes of them."""

import os

import numpy as np
import pytest

from tlkeras.config import get_config
from tlkeras.config.hashing import config_hash
from tlkeras.data.dataset import Ledger
from tlkeras.data.load import load_dataset
from tlkeras.data.review_file import (
    BAD,
    DUPLICATE,
    RELABEL,
    REVIEW_COLUMNS,
    SKIP,
    UNDO,
    ReviewDecision,
    append_decision,
    read_decisions,
    standing_decisions,
)
from tlkeras.errors import InputError

HOSTILE = (
    "=1+1",
    'a,"b"',
    "two\nlines",
    "日本語",
    "'tis",
    os.fsdecode(b"\xe9"),
)


def decide(path, digest, decision, label="", given=""):
    row = ReviewDecision(digest, f"{digest}.jpg", given, decision, label)
    append_decision(path, row)
    return row


@pytest.fixture(scope="module")
def before(photo_folder):
    return load_dataset(str(photo_folder))


def labels_of(dataset):
    """Digest -> (split, place of its class) of all images."""
    return {
        digest: (name, int(target.argmax()))
        for name, split in dataset.splits.items()
        for digest, target in zip(split.digests, split.targets, strict=True)
    }


def test_rows_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "review.csv"
    rows = [decide(path, "d", RELABEL, text, text) for text in HOSTILE]
    assert read_decisions(path) == rows


def test_a_row_that_was_cut_short_is_cut_off(tmp_path):
    path = tmp_path / "review.csv"
    first = decide(path, "a", BAD)
    whole = path.read_bytes()
    decide(path, "b", RELABEL, "cat")
    content = path.read_bytes()
    for length in range(len(whole), len(content) - 2):
        path.write_bytes(content[:length])
        assert read_decisions(path) == [first]
    third = decide(path, "c", SKIP)
    assert read_decisions(path) == [first, third]


def test_a_last_row_without_an_end_counts_where_it_is_whole(tmp_path):
    path = tmp_path / "review.csv"
    rows = [decide(path, "a", BAD)]
    path.write_bytes(path.read_bytes().rstrip())  # as editors do
    assert read_decisions(path) == rows


def test_what_is_taken_back_was_not_decided(tmp_path):
    path = tmp_path / "review.csv"
    first = decide(path, "a", RELABEL, "cat")
    decide(path, "a", BAD)
    other = decide(path, "b", BAD)
    decide(path, "a", UNDO)
    assert standing_decisions(read_decisions(path)) == [first, other]
    decide(path, "a", UNDO)
    decide(path, "a", UNDO)  # nothing is left to take back
    assert standing_decisions(read_decisions(path)) == [other]


def test_the_next_run_has_those_labels_and_leaves_the_rest(
    tmp_path, photo_folder, before
):
    old = labels_of(before)
    train = before.splits["train"]
    relabelled, confirmed, doubled, bad, skipped = (
        train.digests[row] for row in (0, 1, 2, 3, 4)
    )
    path = tmp_path / "review.csv"
    decide(path, relabelled, RELABEL, "flower")
    decide(path, confirmed, RELABEL, before.class_names[old[confirmed][1]])
    decide(path, doubled, DUPLICATE)
    decide(path, bad, BAD)
    decide(path, skipped, SKIP)
    after = load_dataset(str(photo_folder), review_file=str(path))
    new = labels_of(after)
    expected = {k: v for k, v in old.items() if k not in (doubled, bad)}
    expected[relabelled] = ("train", 1)
    assert new == expected
    assert after.ledger.relabelled == [(train.paths[0], "china", "flower")]
    reasons = {entry.path: entry.reason for entry in after.ledger.left_out}
    assert reasons[train.paths[2]] == "review: duplicate"
    assert reasons[train.paths[3]] == "review: bad"
    # The files themselves are as they were.
    assert load_dataset(str(photo_folder)).fingerprint == before.fingerprint


def test_a_ledger_without_a_review_is_as_before():
    assert "relabelled" not in Ledger().as_dict()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("f" * 32, BAD, ""), "names none of the images that there are"),
        (("", RELABEL, "flowre"), "class 'flowre'.* Did you mean 'flower'"),
        (("", "burn", ""), "Row 2 of '.*' has the decision 'burn'"),
    ],
)
def test_a_review_of_other_data_is_refused(
    tmp_path, photo_folder, before, row, message
):
    path = tmp_path / "review.csv"
    digest, decision, label = row
    decide(path, digest or before.splits["train"].digests[0], decision, label)
    with pytest.raises(InputError, match=message):
        load_dataset(str(photo_folder), review_file=str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "corrupt"),
        (b"path,label\na,b\n", "is no review file"),
        (",".join(REVIEW_COLUMNS).encode() + b"\na,b\n", "Row 2 .* 2 cells"),
        (b"\xff\xfe\x00", "is no review file|corrupt"),
    ],
)
def test_a_file_that_is_no_review_is_named(
    tmp_path, photo_folder, content, message
):
    path = tmp_path / "review.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_dataset(str(photo_folder), review_file=str(path))


def test_a_review_file_that_is_missing_is_named(tmp_path, photo_folder):
    with pytest.raises(InputError, match=r"review file .* does not exist"):
        load_dataset(str(photo_folder), review_file=str(tmp_path / "no.csv"))


def test_one_label_for_images_of_several_is_refused(tmp_path, photo_folder):
    files = sorted(photo_folder.glob("*/*.jpg"))[::8]
    lines = [f"{p},{p.parent.name}|{'ab'[i % 2]}" for i, p in enumerate(files)]
    manifest = tmp_path / "photos.csv"
    manifest.write_text("\n".join(["path,label", *lines]))
    dataset = load_dataset(str(manifest))
    path = tmp_path / "review.csv"
    digest = dataset.splits["train"].digests[0]
    decide(path, digest, RELABEL, "a")
    with pytest.raises(InputError, match="where images may carry several"):
        load_dataset(str(manifest), review_file=str(path))
    decide(path, digest, BAD)  # which counts now
    after = load_dataset(str(manifest), review_file=str(path))
    assert digest not in after.splits["train"].digests


def test_a_class_that_a_review_empties_is_said(tmp_path, photo_folder, before):
    path = tmp_path / "review.csv"
    for split in before.splits.values():
        rows = np.flatnonzero(split.targets.argmax(1) == 0)
        for row in rows:
            decide(path, split.digests[row], RELABEL, "flower")
    with pytest.raises(InputError, match="'china' has no usable image"):
        load_dataset(str(photo_folder), review_file=str(path))


def test_the_identity_follows_the_content_of_the_review(tmp_path):
    config = get_config()
    plain = config_hash(config)
    path = tmp_path / "review.csv"
    config.data.review_file = str(path)
    seen = {plain}
    for digest in "ab":
        decide(path, digest, BAD)
        seen.add(config_hash(config))
    assert len(seen) == 3
    config.data.review_file = ""
    assert config_hash(config) == plain
