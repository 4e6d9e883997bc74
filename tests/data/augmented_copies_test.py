"""The fixed copies of an image, and how they reach a network."""

import dataclasses

import numpy as np
import pytest

from tlkeras.data.augmented_copies import (
    AUGMENTED_COPIES,
    COPY_COUNTS,
    require_copies,
)
from tlkeras.data.copy_reader import CopyReader, show_copy
from tlkeras.data.definition import CURRENT
from tlkeras.data.load import load_dataset
from tlkeras.data.reader import ViewReader
from tlkeras.data.views import UNCHANGED, Views
from tlkeras.errors import InputError
from tlkeras.features.recipe import recipe_hash

SIZE = (32, 32)
WHOLE, MIRRORED = 0, 8
CORNERS, CENTRE, ROTATIONS = (1, 2, 3, 4), 5, (6, 7)


@pytest.fixture(scope="module")
def split(photo_folder):
    return load_dataset(str(photo_folder)).splits["train"]


@pytest.fixture(scope="module")
def copies(split):
    """[16, 3, 32, 32, 3]: all copies of three photos."""
    read = CopyReader(split, SIZE, AUGMENTED_COPIES)
    rows = np.arange(3)
    return np.stack([read(rows, np.full_like(rows, v)) for v in range(16)])


def test_the_first_copy_is_the_image(copies, split):
    rows = np.arange(3)
    plain = ViewReader(split, SIZE, UNCHANGED)(rows, np.zeros_like(rows))
    assert np.array_equal(copies[WHOLE], plain)


def test_half_of_the_copies_are_mirrors_of_the_others(copies):
    assert np.array_equal(copies[MIRRORED:], copies[:MIRRORED, :, :, ::-1])


def test_all_copies_differ(copies):
    flat = copies.reshape(16, -1)
    distances = np.abs(flat[:, None] - flat[None]).mean(-1)
    assert (distances[~np.eye(16, dtype=bool)] > 1).all()


def test_crops_lie_where_they_say():
    """On a picture whose red says how far down, and green how far right."""
    y, x = np.mgrid[0:48, 0:48].astype(np.uint8)
    picture = np.stack([y, x, np.zeros_like(x)], -1)[None]
    corners = [
        tuple(show_copy(picture, SIZE, AUGMENTED_COPIES[number])[0, 0, 0, :2])
        for number in (*CORNERS, CENTRE)
    ]
    assert corners == [(0, 0), (0, 16), (16, 0), (16, 16), (8, 8)]


def test_rotations_turn_to_both_sides_about_the_centre(copies):
    """Turned back and forth, the middle of the image is what it was."""
    to_the_left, to_the_right = (AUGMENTED_COPIES[n] for n in ROTATIONS)
    assert to_the_left.degrees == -to_the_right.degrees > 0
    smooth = np.mgrid[0:32, 0:32][[0, 1, 1]].transpose(1, 2, 0)[None] * 4.0
    turned = show_copy(smooth, SIZE, to_the_left)
    back = show_copy(turned, SIZE, to_the_right)
    middle = np.s_[:, 10:22, 10:22]
    np.testing.assert_allclose(back[middle], smooth[middle], atol=0.1)
    assert np.abs(turned[middle] - smooth[middle]).max() > 1
    # Counter-clockwise: what is right of the centre comes from below it.
    assert turned[0, 16, 28, 0] > smooth[0, 16, 28, 0]


def test_views_of_one_call_may_differ(copies, split):
    read = CopyReader(split, SIZE, AUGMENTED_COPIES)
    rows, views = np.array([2, 0, 1, 2]), np.array([5, 11, 6, 0])
    assert np.array_equal(read(rows, views), copies[views, rows])


def name_store(views):
    return recipe_hash(
        "graph",
        engine="keras",
        precision="float32",
        storage="float32",
        views=views,
        definition=CURRENT,
    )


def test_copies_have_a_store_of_their_own_whatever_their_number():
    few = Views(None, 5, seed=0, copies=AUGMENTED_COPIES)
    many = dataclasses.replace(few, num_views=15, seed=7)
    assert (few.count, many.count) == (5, 15)
    assert name_store(few) == name_store(many) != name_store(UNCHANGED)
    turned = dataclasses.replace(AUGMENTED_COPIES[6], degrees=20.0)
    others = dataclasses.replace(few, copies=(*AUGMENTED_COPIES[:6], turned))
    assert name_store(others) != name_store(few)


@pytest.mark.parametrize("num_copies", COPY_COUNTS)
def test_a_set_of_copies_favours_no_side(num_copies):
    shown = AUGMENTED_COPIES[:num_copies]
    require_copies(num_copies, may_mirror=True)
    assert sum(copy.degrees for copy in shown) == 0
    corners = [copy.corner for copy in shown if copy.corner]
    assert not corners or np.mean(corners, axis=0).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("num_copies", [0, -1, 2, 5, 15, 32])
def test_other_numbers_are_refused(num_copies):
    with pytest.raises(InputError, match=r"1 \(the whole image\), 6 .* 16 "):
        require_copies(num_copies, may_mirror=True)


def test_what_must_not_be_mirrored_is_not():
    for num_copies in (1, 6, 8):
        require_copies(num_copies, may_mirror=False)
    with pytest.raises(InputError, match="expected at most 8 copies: lower"):
        require_copies(16, may_mirror=False)
