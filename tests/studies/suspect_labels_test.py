import numpy as np
import pytest

import tlkeras.studies.suspect_labels as suspect_labels
from tlkeras import workdir
from tlkeras.data.dataset import Split
from tlkeras.studies.suspect_labels import (
    predict_held_out,
    write_suspect_labels,
)


@pytest.fixture
def codes():
    """Codes [120, 8] of three classes in turn, well apart."""
    rng = np.random.default_rng(0)
    centres = 4 * rng.normal(size=(3, 8))
    return centres[np.arange(120) % 3] + rng.normal(size=(120, 8))


def make_images(labels, num_classes=3, groups=()):
    paths = tuple(f"photos/{number}.jpg" for number in range(len(labels)))
    targets = np.eye(num_classes, dtype=np.float32)[labels]
    return Split(paths, targets, paths, groups=groups)


def test_wrong_labels_stand_in_the_table_the_most_doubtful_first(
    codes, tmp_path
):
    labels = np.arange(120) % 3
    wrong = [7, 20, 33, 50, 71, 99]
    labels[wrong] = (labels[wrong] + 1) % 3
    path = tmp_path / workdir.SUSPECT_LABELS
    result = write_suspect_labels(path, make_images(labels), codes, "abc")
    rows = workdir.read_table(path)
    assert {row["path"] for row in rows} <= {f"photos/{n}.jpg" for n in wrong}
    assert len(rows) >= len(wrong) / 2
    for row in rows:
        number = int(row["path"].removeprefix("photos/").removesuffix(".jpg"))
        assert row["given"] == "abc"[labels[number]]
        assert row["likely"] == "abc"[number % 3]
        assert 0.5 < float(row["confidence"]) <= 1
    assert (result.verdict, result.value) == ("pass", len(rows))
    assert rows[0]["path"] in result.message


def test_many_doubts_warn_and_the_table_of_before_is_replaced(codes, tmp_path):
    path = tmp_path / workdir.SUSPECT_LABELS
    labels = np.arange(120) % 3
    labels[:30] = (labels[:30] + 1) % 3
    result = write_suspect_labels(path, make_images(labels), codes, "abc")
    assert result.verdict == "warn"
    few = make_images(np.arange(120) % 3 * (np.arange(120) < 6))
    assert write_suspect_labels(path, few, codes, "abc").verdict == "skip"
    assert not path.exists()


def test_of_very_many_images_a_part_is_looked_at(codes, tmp_path, monkeypatch):
    monkeypatch.setattr(suspect_labels, "MAX_LOGITS", 3 * 90)
    images = make_images(np.arange(120) % 3)
    path = tmp_path / workdir.SUSPECT_LABELS
    result = write_suspect_labels(path, images, codes, "abc")
    assert "of 90 labels" in result.message
    assert "30 were not looked at" in result.message


def test_several_labels_are_left_alone(codes, tmp_path):
    images = make_images(np.arange(120) % 3)
    images.labels[5] = 1
    path = tmp_path / workdir.SUSPECT_LABELS
    result = write_suspect_labels(path, images, codes, "abc")
    assert result.verdict == "skip"
    assert "several labels" in result.message


def test_a_group_does_not_vouch_for_its_own_labels():
    # Pairs of equal codes share a random label: only a twin could know it.
    rng = np.random.default_rng(1)
    codes = np.repeat(rng.normal(size=(60, 100)), 2, axis=0)
    labels = np.repeat(rng.permutation(60) % 2, 2)
    targets = np.eye(2, dtype=np.float32)[labels]
    groups = tuple(str(number // 2) for number in range(120))
    alone = predict_held_out(codes, targets)
    grouped = predict_held_out(codes, targets, groups=groups)
    right, chance = ((p.argmax(1) == labels).mean() for p in (alone, grouped))
    assert right > 0.7
    assert chance < 0.6
