import numpy as np
import pytest

from tlkeras.data.placement import seen_area
from tlkeras.evaluation.heat_map import HeatMap


def one_cell(row, column, *, area=(0, 0, 80, 40), size=(80, 40)):
    """A 4 x 8 grid with one hot cell of class 0 and a cooler neighbour."""
    scores = np.full((4, 8, 2), 0.1)
    scores[row, column, 0] = 0.9
    scores[row, column - 1, 0] = 0.5
    return HeatMap(scores, area, size)


def test_peak_and_box_are_in_pixels_of_the_image():
    heat = one_cell(1, 3)
    assert heat.find_peak(0) == (35, 15, 0.9)
    assert heat.find_box(0) == (20, 10, 40, 20)
    assert heat.mean_score(0) == pytest.approx((30 * 0.1 + 1.4) / 32)


def test_a_box_holds_what_hangs_together_with_the_peak_only():
    heat = one_cell(1, 3)
    heat.scores[3, 7, 0] = 0.8
    assert heat.find_box(0) == (20, 10, 40, 20)


def test_a_grid_beyond_the_image_gives_boxes_within_it():
    heat = one_cell(0, 3, area=(0, -40, 80, 80))
    _, y, _ = heat.find_peak(0)
    assert y == 0
    left, top, right, bottom = heat.find_box(0)
    assert (top, bottom) == (0, 0)
    assert (left, right) == (20, 40)


def test_painting_is_brightest_at_the_peak_and_grey_outside():
    heat = one_cell(1, 3, area=(0, 0, 40, 40))
    photo = np.full((40, 80, 3), (200, 10, 10), np.uint8)
    painted = heat.paint(photo, 0)
    assert painted.shape == photo.shape
    light = painted.sum(-1)
    row, column = divmod(int(light.argmax()), 80)
    assert 10 <= row < 20
    assert 15 <= column < 20
    assert (np.ptp(painted[:, 40:], axis=-1) == 0).all()


def test_the_scale_of_the_colors_is_fixed():
    photo = np.zeros((8, 8, 3), np.uint8)
    maps = [
        HeatMap(np.full((2, 2, 1), score), (0, 0, 8, 8), (8, 8))
        for score in (0.2, 0.4)
    ]
    low, high = (heat.paint(photo, 0).mean() for heat in maps)
    assert low < high


@pytest.mark.parametrize(
    ("geometry", "area"),
    [
        ("squash", (0, 0, 200, 100)),
        ("center_crop", (50, 0, 150, 100)),
        ("letterbox", (0, -50, 200, 150)),
    ],
)
def test_the_target_lies_on_the_image_as_the_geometry_says(geometry, area):
    found = seen_area(100, 200, 64, 64, geometry)
    assert found == pytest.approx(area)
    turned = seen_area(200, 100, 64, 64, geometry)
    left, top, right, bottom = area
    assert turned == pytest.approx((top, left, bottom, right))
