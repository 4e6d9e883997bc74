import itertools

import pytest

from tlkeras.ranking import WORST, rank_key

NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ((0.9, 5.0), (0.8, 0.1)),
        ((0.9, 0.1), (0.9, 0.2)),
        ((0.0, INFINITY), (0.9, NAN)),
        ((0.0, 1.0), (NAN, 0.1)),
    ],
)
def test_the_metric_counts_then_the_loss_then_whether_it_is_a_number(
    better, worse
):
    assert rank_key(*better) > rank_key(*worse)


def test_what_is_no_number_is_kept_by_no_order_of_candidates():
    candidates = [(NAN, 0.1), (0.5, NAN), (0.5, 0.3), (NAN, NAN)]
    for order in itertools.permutations(candidates):
        best = None
        for one in order:
            if best is None or rank_key(*one) > rank_key(*best):
                best = one
        assert best == (0.5, 0.3)
    assert rank_key(NAN, 0.0) == WORST
