import numpy as np
import pytest

from tlkeras.optim.lr_rules import (
    RULES,
    choose_rule,
    find_regions,
    smooth,
    suggest,
)

RATES = np.geomspace(1e-7, 10, 100)


def curve(*, falls_from, falls_to, explodes_from, start=2.3, end=0.8):
    """A textbook range test: flat, a smooth fall, a rise without bounds."""
    place = np.log10(RATES)
    low, high = np.log10(falls_from), np.log10(falls_to)
    share = np.clip((place - low) / (high - low), 0, 1)
    rise = np.clip(place - np.log10(explodes_from), 0, None)
    return start - (start - end) * np.sin(share * np.pi / 2) ** 2 + 4 * rise**2


TEXTBOOK = curve(falls_from=1e-5, falls_to=1e-1, explodes_from=2e-1)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_lies_where_the_loss_falls(rule):
    rate = RULES[rule](RATES, TEXTBOOK)
    # Past its end the curve explodes at 2e-1.
    assert 1e-5 < rate < (5e-1 if rule == "edge" else 1e-1)


def test_steepest_is_where_the_slope_is():
    assert RULES["steepest"](RATES, TEXTBOOK) == pytest.approx(1e-3, rel=0.3)


def test_minimum_is_a_tenth_of_the_lowest():
    assert RULES["minimum"](RATES, TEXTBOOK) == pytest.approx(1e-2, rel=0.2)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_rules_move_with_the_curve(rule, factor):
    moved = curve(
        falls_from=1e-5 * factor,
        falls_to=1e-1 * factor,
        explodes_from=2e-1 * factor,
    )
    ratio = RULES[rule](RATES, moved) / RULES[rule](RATES, TEXTBOOK)
    assert ratio == pytest.approx(factor, rel=0.6)


@pytest.mark.parametrize("rule", RULES)
def test_rules_do_not_care_for_a_constant(rule):
    if rule == "edge":
        pytest.skip("the edge is a share of the loss")
    moved = RULES[rule](RATES, TEXTBOOK + 5)
    assert moved == pytest.approx(RULES[rule](RATES, TEXTBOOK), rel=0.6)


def test_the_valley_ignores_bumps_on_the_way_down():
    rng = np.random.default_rng(0)
    bumpy = TEXTBOOK + rng.normal(0, 0.03, len(RATES))
    ratio = RULES["valley"](RATES, bumpy) / RULES["valley"](RATES, TEXTBOOK)
    assert 1 / 5 < ratio < 5


def test_regions_are_named_in_order_and_cover_all_rates():
    regions = find_regions(RATES, TEXTBOOK)
    assert [r.name for r in regions] == [
        "barely changes",
        "learns",
        "diverges",
    ]
    assert regions[0].low == RATES[0]
    assert regions[-1].high == RATES[-1]
    assert 1e-5 < regions[1].low < 1e-3
    assert regions[1].high == RULES["edge"](RATES, TEXTBOOK)


def test_a_flat_curve_barely_changes_and_then_diverges():
    flat = 0.9 + 4 * np.clip(np.log10(RATES) + 2, 0, None) ** 2
    regions = find_regions(RATES, flat)
    assert [r.name for r in regions] == ["barely changes", "diverges"]
    assert regions[1].low == pytest.approx(1.5e-2, rel=0.6)
    still = find_regions(RATES, np.full(100, 0.9))
    assert [r.name for r in still] == ["barely changes"]


def test_a_fresh_head_and_fitted_weights_are_read_differently():
    assert choose_rule(TEXTBOOK) == "minimum"
    fitted = curve(
        falls_from=1e-5,
        falls_to=3e-4,
        explodes_from=1e-3,
        start=0.86,
        end=0.84,
    )
    assert choose_rule(fitted) == "edge"
    assert 1e-3 < RULES["edge"](RATES, fitted) < 3e-3


@pytest.mark.parametrize("seed", range(20))
def test_no_suggestion_is_in_the_diverging_region(seed):
    rng = np.random.default_rng(seed)
    low = 10 ** rng.uniform(-6, -3)
    losses = curve(
        falls_from=low,
        falls_to=low * 10 ** rng.uniform(0.5, 3),
        explodes_from=low * 10 ** rng.uniform(0.5, 3.5),
        start=1.0,
        end=rng.uniform(0.3, 0.99),
    ) + rng.normal(0, 0.01, len(RATES))
    losses = smooth(losses)
    regions = {r.name: r for r in find_regions(RATES, losses)}
    for name, rate in suggest(RATES, losses).items():
        assert rate < regions["diverges"].low, name


def test_without_a_divergence_the_last_rate_is_not_suggested():
    falling = np.linspace(2.0, 1.9, 100)
    assert suggest(RATES, falling)["edge"] == pytest.approx(1.0)


def test_smoothing_keeps_a_constant_and_halves_noise():
    assert smooth(np.full(20, 2.0)) == pytest.approx(np.full(20, 2.0))
    noise = np.random.default_rng(0).normal(0, 1, 2000)
    assert smooth(noise).std() < 0.5 * noise.std()
