"""Pairs of files that show the same picture, and pairs that do not."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.planted_copies import CHANGES
from tlkeras.data.alignment import (
    blur,
    correlate,
    cut_windows,
    propose_placements,
    refine_placements,
)
from tlkeras.data.same_pictures import find_same_pictures


@pytest.fixture(scope="module")
def photos():
    """Parts of two photos that do not overlap: 24 of 100 x 150 pixels."""
    from sklearn.datasets import load_sample_images

    return [
        Image.fromarray(photo[top : top + 100, left : left + 150])
        for photo in load_sample_images().images
        for top in range(0, 400, 100)
        for left in range(0, 450, 150)
    ]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_among_all_pairs(change, photos, tmp_path):
    files = []
    rng = np.random.default_rng(1)
    copies = [CHANGES[change](photo, rng) for photo in photos[::4]]
    for number, image in enumerate([*photos, *copies]):
        files.append(str(tmp_path / f"{number}.png"))
        image.save(files[-1])
    known = len(photos)
    pairs = [
        (a, b) for a in range(known) for b in range(known, known + len(copies))
    ]
    found, correlations = find_same_pictures(files, np.array(pairs))
    planted = {(4 * row, known + row) for row in range(len(copies))}
    seen = set(map(tuple, found.tolist()))
    assert seen <= planted
    # A roof whose tiles repeat may be laid a tile beside.
    assert len(seen) >= len(planted) - 1
    assert (np.diff(correlations) <= 0).all()


def test_different_parts_of_a_photo_are_not_the_same(photos, tmp_path):
    files = []
    for number, photo in enumerate(photos):
        files.append(str(tmp_path / f"{number}.jpg"))
        photo.save(files[-1])
    pairs = np.argwhere(np.tri(len(photos), k=-1) > 0)
    assert len(find_same_pictures(files, pairs)[0]) == 0


def test_flat_and_missing_files_are_no_copies(tmp_path):
    files = [str(tmp_path / name) for name in ("a.png", "b.png", "none.png")]
    for file in files[:2]:
        Image.new("RGB", (50, 50), "white").save(file)
    found, _ = find_same_pictures(files, np.array([[0, 1], [0, 2]]))
    assert len(found) == 0


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_window_is_laid_where_it_was_cut(mirrored, photos):
    whole = np.asarray(photos[16].convert("L").resize((96, 96)), np.float32)
    window = whole[10:86, 14:92]  # 76 and 78 of 96 pixels
    first, second = (
        np.asarray(Image.fromarray(part).resize((48, 48), Image.Resampling.BOX))
        for part in (whole, window[:, :: -1 if mirrored else 1])
    )
    both = np.stack([second, second[:, ::-1]])
    _, is_mirrored, start = propose_placements(
        cut_windows(first[None]), cut_windows(both)
    )
    assert is_mirrored.tolist() == [mirrored]
    upright = both[is_mirrored.astype(int)]
    placement, _ = refine_placements(blur(first[None]), blur(upright), start, 8)
    # The whole picture's -1..1 in the window: 96 / 76 times, and beside.
    expected = [96 / 76, 0, 96 / 78, -2 * (53 - 48) / 78]
    np.testing.assert_allclose(placement[0], expected, atol=0.02)
    agreed = correlate(first[None, None], upright[None], placement)
    assert agreed[0] > 0.98
    assert correlate(first[None, None], upright[None], start)[0] < agreed[0]
