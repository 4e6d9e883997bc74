import numpy as np
import pytest

from tlkeras.data.decoding import decode_whole
from tlkeras.data.definition import CURRENT, ImageDefinition
from tlkeras.data.framing_numpy import frame_pixels
from tlkeras.data.preprocess import decode_image
from tlkeras.studies.windows import (
    cover_with_windows,
    place_windows,
    pool_windows,
)


@pytest.mark.parametrize("sides", [(100, 100), (60, 173), (411, 90), (1, 7)])
@pytest.mark.parametrize("scale", [1, 1.4, 2, 3.3])
def test_windows_cover_the_image_and_overlap_by_half(sides, scale):
    height, width = sides
    windows = place_windows(height, width, [scale])
    side = windows[0].side
    assert side == max(round(min(sides) / scale), 1)
    for starts, length in (
        ({w.top for w in windows}, height),
        ({w.left for w in windows}, width),
    ):
        ordered = sorted(starts)
        assert ordered[0] == 0
        assert ordered[-1] == length - side
        # Half, but for the pixel that rounding takes.
        assert np.diff(ordered).max(initial=0) <= max(side // 2 + 1, 1)


def test_windows_of_one_answer_give_an_even_map():
    windows = place_windows(90, 140, [1, 1.4, 2])
    scores = np.full((len(windows), 2), (0.25, 0.75))
    cover = cover_with_windows(windows, scores, height=90, width=140)
    assert cover.shape == (64, 100, 2)
    np.testing.assert_allclose(cover, np.broadcast_to(scores[0], cover.shape))


def test_a_cell_has_the_mean_of_the_windows_that_cover_it():
    windows = place_windows(64, 64, [2])
    scores = np.arange(9.0)[:, None]
    cover = cover_with_windows(windows, scores, height=64, width=64)
    assert cover[0, 0] == 0  # the first one alone
    assert cover[-1, -1] == 8
    assert cover[20, 0] == np.mean([0, 3])
    assert cover[20, 20] == np.mean([0, 1, 3, 4])


def test_sure_windows_count_more_in_a_sum_of_powers():
    even, sure = np.full((2, 1), 0.5), np.array([[1.0], [0.0]])
    assert pool_windows(even)["sum"] == pool_windows(sure)["sum"]
    name = "sum_of_powers"
    assert pool_windows(sure)[name] > pool_windows(even)[name]


@pytest.mark.parametrize("geometry", ["squash", "center_crop", "letterbox"])
@pytest.mark.parametrize("version", [1, 2])
def test_framed_pixels_are_those_of_the_same_image_as_a_file(version, geometry):
    import tensorflow as tf

    if version == 1 and geometry != "squash":
        return
    definition = ImageDefinition(version, geometry)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (300, 190, 3)).astype(np.uint8)
    content = tf.io.encode_png(pixels).numpy()
    for side in (32, 64, 400):
        np.testing.assert_array_equal(
            frame_pixels(pixels, (side, side), definition),
            decode_image(content, side, side, definition),
        )


def test_a_whole_image_keeps_its_size_and_stands_upright(tmp_path):
    from PIL import Image

    photo = Image.fromarray(np.zeros((40, 300, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    photo.save(tmp_path / "a.jpg", exif=exif)
    content = (tmp_path / "a.jpg").read_bytes()
    assert decode_whole(content, CURRENT).shape == (300, 40, 3)
