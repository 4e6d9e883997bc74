import numpy as np
import pytest

from tlkeras.optim.divergence import VALIDATION_SLACK, Divergence

RULE = Divergence(3.0, fresh_loss=1.0)


@pytest.mark.parametrize(
    ("first", "initial"),
    [(0.01, 1.0), (2.0, 2.0), (float("nan"), 1.0), (float("inf"), 1.0)],
)
def test_the_initial_loss_is_at_least_that_of_a_fresh_head(first, initial):
    assert RULE.initial_loss(first) == initial


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (5.9, ""),
        (6.0, ""),
        (6.1, "the loss 6.1 passed 3x the initial loss 2"),
        (float("nan"), "the loss became nan"),
        (float("inf"), "the loss became inf"),
    ],
)
def test_a_loss_that_broke_says_why(loss, reason):
    assert RULE.describe(loss, initial=2.0) == reason
    assert (loss <= RULE.bound(2.0)) == (not reason)


def test_validation_may_pass_the_bound_by_its_slack():
    bound = VALIDATION_SLACK * RULE.bound(2.0)
    assert not RULE.describe_validation(bound, initial=2.0)
    said = RULE.describe_validation(2 * bound, initial=2.0)
    assert said == "the validation loss became 120"
    assert "nan" in RULE.describe_validation(float("nan"), initial=2.0)


def test_the_bounds_of_many_heads_are_those_of_each():
    initial = np.array([1.0, 2.0, 5.0])
    assert RULE.bound(initial).tolist() == [RULE.bound(i) for i in initial]
