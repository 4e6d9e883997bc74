import numpy as np

import tlkeras.features.neighbours as neighbours
from tlkeras.features.neighbours import comparable, find_nearest


def test_blocks_find_what_sorting_finds(monkeypatch):
    rng = np.random.default_rng(0)
    codes, among = (comparable(rng.random((n, 5, 1, 2))) for n in (30, 40))
    every = codes @ among.T
    monkeypatch.setattr(neighbours, "BLOCK_NUMBERS", 3 * 40)
    places, similarities = find_nearest(codes, among, 4)
    np.testing.assert_array_equal(places, np.argsort(-every, 1)[:, :4])
    np.testing.assert_allclose(
        similarities, np.sort(every, 1)[:, :-5:-1], rtol=1e-6
    )
    assert find_nearest(codes, among[:2], 4)[0].shape == (30, 2)


def test_similarity_is_one_for_a_multiple_and_less_for_all_else():
    codes = np.array([[1.0, 4.0, 0.0], [2.0, 8.0, 0.0], [4.0, 1.0, 0.0]])
    rows = comparable(codes)
    np.testing.assert_allclose(
        rows @ rows.T, [[1, 1, 0.8]] * 2 + [[0.8, 0.8, 1]], atol=1e-6
    )
