import numpy as np
import pytest
from scipy import stats

from tlkeras.studies.class_halves import draw_halves
from tlkeras.studies.transfer_curves import average_pairs, summarize
from tlkeras.studies.transfer_networks import (
    BASES,
    CURVES,
    Network,
    plan_networks,
)

LAYERS = ["low", "middle", "top"]
CUTS = [{"layer": name, "stage": i} for i, name in enumerate(LAYERS)]
NONE = dict.fromkeys(CURVES, (0.0, 0.0, 0.0))
# The two effects of the paper.
PAPER = {
    **NONE,
    "BnB": (0.0, -0.03, 0.0),
    "AnB": (0.0, -0.06, -0.15),
}


def make_accuracies(effects, *, num_splits=2, long=0.0, kinds=CURVES):
    """Networks with the luck of their seed, effects, and a little noise."""
    rng = np.random.default_rng(0)
    halves = [
        h for seed in range(num_splits) for h in draw_halves("abcdefghij", seed)
    ]
    luck = {half: rng.normal(0.7, 0.1) for half in halves}
    found = {}
    for half in halves:
        noise = iter(rng.normal(0, 0.002, 100))
        found[Network(half, "base")] = luck[half] + next(noise)
        found[Network(half, "base_long")] = luck[half] + long + next(noise)
        for kind in kinds:
            for i, layer in enumerate(LAYERS):
                value = luck[half] + effects[kind][i] + next(noise)
                found[Network(half, kind, layer)] = value
    return found, halves


def test_the_interval_is_that_of_a_t_test_over_pairs():
    values = [0.01, -0.02, 0.04, 0.03, 0.0]
    found = average_pairs(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.interval == pytest.approx(tuple(expected))
    assert found.mean == pytest.approx(np.mean(values))


def test_a_single_pair_has_no_interval():
    assert average_pairs([-0.5]).interval is None
    assert not average_pairs([-0.5]).is_below_zero


def test_pairs_show_what_is_smaller_than_the_luck_of_a_seed():
    result = summarize(*make_accuracies(PAPER), CUTS)
    assert result["num_pairs"] == 4
    assert result["fragile_cuts"] == ["middle"]
    assert result["specific_from"] == "middle"
    assert "Layers that trained together" in result["sentences"][1]
    assert "From middle on" in result["sentences"][2]


def test_without_effects_nothing_is_claimed():
    result = summarize(*make_accuracies(NONE), CUTS)
    assert result["fragile_cuts"] == []
    assert result["specific_from"] is None
    assert result["converged"]
    assert "no measurable difference" in result["sentences"][-1]


def test_specific_means_all_deeper_cuts_too():
    effects = {**NONE, "AnB": (-0.1, 0.0, -0.1)}
    result = summarize(*make_accuracies(effects), CUTS)
    assert result["specific_from"] == "top"


def test_two_pairs_claim_nothing():
    result = summarize(*make_accuracies(PAPER, num_splits=1), CUTS)
    assert result["fragile_cuts"] is None
    assert result["specific_from"] is None
    assert "raise --splits" in result["sentences"][-1]
    assert len(result["curves"]["AnB"][0]["pairs"]) == 2


def test_a_base_that_more_steps_improve_has_not_converged():
    result = summarize(*make_accuracies(NONE, long=0.1), CUTS)
    assert not result["converged"]
    assert "has not converged" in result["sentences"][0]


def test_a_base_at_chance_has_not_converged():
    found, halves = make_accuracies(NONE)
    found = dict.fromkeys(found, 0.2)
    assert not summarize(found, halves, CUTS)["converged"]


def test_the_gain_of_transfer_is_held_against_the_same_training_time():
    effects = {**NONE, "AnB+": (0.1,) * 3, "BnB+": (0.1,) * 3}
    result = summarize(*make_accuracies(effects, long=0.1), CUTS)
    low, high = result["contrasts"]["transfer_gain"][-1]["interval"]
    assert low < 0 < high
    assert result["curves"]["AnB+"][-1]["mean"] == pytest.approx(0.1, abs=0.01)


def test_quick_studies_have_the_frozen_curves_only():
    found = make_accuracies(PAPER, kinds=("BnB", "AnB"))
    result = summarize(*found, CUTS)
    assert list(result["curves"]) == ["BnB", "AnB"]
    assert list(result["contrasts"]) == ["specificity"]
    assert result["fragile_cuts"] == ["middle"]


@pytest.mark.parametrize("quick", [False, True])
def test_every_pair_has_every_kind_and_bases_come_first(quick):
    halves = [*draw_halves("abcdefgh", 0), *draw_halves("abcdefgh", 1)]
    plan = plan_networks(halves, LAYERS, quick=quick)
    kinds = ("BnB", "AnB") if quick else CURVES
    assert len(plan) == len(set(plan)) == 4 * (2 + 3 * len(kinds))
    assert len({network.name for network in plan}) == len(plan)
    assert {n.kind for n in plan[:8]} == set(BASES)
    assert {n.kind for n in plan} == {*BASES, *kinds}
    # What shares a graph stands together, and so does what shares a base.
    frozen = [n for n in plan if n.kind in ("BnB", "AnB")]
    cuts = [n.cut for n in frozen]
    assert cuts == sorted(cuts, key=LAYERS.index)
    owners = [
        (n.cut, n.half.seed, n.half.name if n.kind == "BnB" else n.half.other)
        for n in frozen
    ]
    assert owners[::2] == owners[1::2]
