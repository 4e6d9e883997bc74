from typing import ClassVar

import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.studies.mosaics import (
    Mosaic,
    describe_pointing,
    peak_quadrants,
    plan_mosaics,
    point,
    quadrant_means,
    tile,
)


def targets_of(*counts):
    return np.repeat(np.eye(len(counts), dtype=np.float32), counts, axis=0)


def test_mosaics_use_each_image_once_and_four_classes():
    targets = targets_of(30, 30, 31, 29, 32)
    mosaics = plan_mosaics(targets, seed=0)
    rows = [row for mosaic in mosaics for row in mosaic.rows]
    assert len(rows) == len(set(rows)) > 140
    for mosaic in mosaics:
        assert len(set(mosaic.labels)) == 4
        assert tuple(targets[list(mosaic.rows)].argmax(1)) == mosaic.labels
    assert mosaics == plan_mosaics(targets, seed=0)
    assert mosaics != plan_mosaics(targets, seed=1)


def test_each_class_is_at_each_place():
    mosaics = plan_mosaics(targets_of(60, 60, 60, 60), seed=0)
    for place in range(4):
        found = np.bincount([m.labels[place] for m in mosaics], minlength=4)
        assert found.min() > 5


def test_images_with_several_labels_are_left_out():
    targets = targets_of(2, 2, 2, 2)
    targets[0, 1] = 1
    rows = [r for m in plan_mosaics(targets, seed=0) for r in m.rows]
    assert 0 not in rows


def test_fewer_than_four_classes_are_refused():
    with pytest.raises(InputError, match="and the split has 3"):
        plan_mosaics(targets_of(5, 5, 5, 0), seed=0)


def test_tiles_lie_in_reading_order():
    images = np.arange(4, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(images, (4, 2, 2, 3))
    assert tile(images)[..., 0].tolist() == [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [2, 2, 3, 3],
        [2, 2, 3, 3],
    ]


@pytest.mark.parametrize("cells", [2, 3, 5, 8])
def test_a_quadrant_is_found_in_any_grid(cells):
    for quadrant in range(4):
        scores = np.zeros((cells, cells, 1))
        row, column = divmod(quadrant, 2)
        scores[-row, -column] = 1.0
        assert peak_quadrants(scores) == quadrant
        assert quadrant_means(scores)[:, 0].argmax() == quadrant


class _Oracle:
    """Scores each class where its color is, or anywhere."""

    description: ClassVar[dict] = {}

    def __init__(self, knows):
        self.knows = knows
        self.rng = np.random.default_rng(0)

    def score_pixels(self, pixels):
        colors = pixels[::8, ::8, 0] // 50
        if self.knows:
            return (colors[..., None] == np.arange(5)).astype(float)
        return self.rng.uniform(size=(*colors.shape, 5))


@pytest.mark.parametrize("knows", [True, False])
def test_what_knows_nothing_is_at_chance(knows, tmp_path):
    from PIL import Image

    from tlkeras.data.dataset import Split

    labels = np.arange(200) % 5
    paths = []
    for row, label in enumerate(labels):
        paths.append(str(tmp_path / f"{row}.png"))
        color = (int(label) * 50 + 10,) * 3
        Image.new("RGB", (9, 9), color).save(paths[-1])
    targets = np.eye(5, dtype=np.float32)[labels]
    mosaics = plan_mosaics(targets, seed=0)
    pointed = point(
        _Oracle(knows),
        Split(tuple(paths), targets, ("",) * 200),
        mosaics,
        side=16,
        answers=labels,
    ).as_dict(500)
    assert isinstance(mosaics[0], Mosaic)
    for name in ("quadrant_mean", "peak"):
        low, high = pointed[name]["interval"]
        assert (low == high == 1) if knows else (low < 0.25 < high)


def test_a_rate_is_called_by_the_lower_end_of_its_interval():
    assert "point at what they name" in describe_pointing(0.9)
    assert "little better" in describe_pointing(0.3)
    assert "chance" in describe_pointing(0.24)
