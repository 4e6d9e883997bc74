"""Verdicts on recipes, and the quadrants that they are about."""

import numpy as np
import pytest

from tlkeras.studies.quadrants import QUADRANTS, RECIPES, find_quadrant
from tlkeras.studies.recipe_verdict import judge


def answers(accuracy, seed, size=1000):
    rng = np.random.default_rng(seed)
    right = np.zeros(size)
    right[: round(accuracy * size)] = 1
    return rng.permutation(right)


@pytest.mark.parametrize(
    ("expected", "accuracies", "verdict", "recommended"),
    [
        ("top", {"top": 0.7, "all": 0.8}, "does_not_hold", "all"),
        ("top", {"top": 0.8, "all": 0.7}, "holds", "top"),
        ("earlier", {"top": 0.6, "earlier": 0.8}, "holds", "earlier"),
        ("all", {"top": 0.8, "all": 0.7}, "does_not_hold", "top"),
        ("top", {"top": 0.7, "all": 0.71}, "cannot_tell", "top"),
        ("all", {"top": 0.98, "all": 0.99}, "cannot_tell", "top"),
    ],
)
def test_a_verdict_follows_the_accuracies(
    expected, accuracies, verdict, recommended
):
    scores = {n: answers(a, i) for i, (n, a) in enumerate(accuracies.items())}
    found = judge(expected, scores)
    assert (found.verdict, found.recommended) == (verdict, recommended)


def test_a_simpler_recipe_that_is_as_good_is_preferred():
    top = answers(0.7, 0)
    found = judge("all", {"top": top, "all": top.copy()})
    assert (found.verdict, found.recommended) == ("does_not_hold", "top")
    found = judge("top", {"top": top, "all": top.copy()})
    assert (found.verdict, found.recommended) == ("holds", "top")


def test_few_images_cannot_tell():
    scores = {"top": answers(0.6, 0, 20), "all": answers(0.7, 1, 20)}
    assert judge("top", scores).verdict == "cannot_tell"


@pytest.mark.parametrize("rises", [True, False])
@pytest.mark.parametrize("earlier", [True, False])
def test_borders_are_decided_by_what_was_measured(rises, earlier):
    for similarity in (None, "in between"):
        assert find_quadrant(
            "medium",
            similarity,
            still_rises=rises,
            earlier_is_better=earlier,
        ) == (
            "small" if rises else "large",
            "different" if earlier else "similar",
        )
    assert find_quadrant(
        "large", "similar", still_rises=rises, earlier_is_better=earlier
    ) == ("large", "similar")


def test_every_recipe_has_a_quadrant():
    assert {rule.recipe for rule in QUADRANTS.values()} == set(RECIPES)
