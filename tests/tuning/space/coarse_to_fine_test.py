import math

import numpy as np

from tlkeras.config import get_config
from tlkeras.tuning.space.coarse_to_fine import shrink_space
from tlkeras.tuning.space.space import parse_space

RATE = "phases.fine_tune.learning_rate"


def make_trials(centre, count=40, seed=0):
    """Returns trials whose score falls with the distance from 10**centre."""
    rng = np.random.default_rng(seed)
    exponents = rng.uniform(-6, -1, count)
    return [({RATE: 10.0**e}, 1 - abs(e - centre)) for e in exponents]


def shrink(trials, text="1e-6:1e-1:log"):
    space, notes = shrink_space(parse_space({RATE: text}, get_config()), trials)
    return space[0], notes


def test_a_range_shrinks_around_the_best_region():
    field, notes = shrink(make_trials(-3.0))
    assert 1e-6 < field.low < 1e-3 < field.high < 1e-1
    span = math.log10(field.high / field.low)
    assert 0.2 * 5 - 1e-9 <= span <= 0.5 * 5 + 1e-9
    assert notes == [f"{RATE}: 1e-06:0.1:log -> {field.as_text()}"]


def test_a_best_point_at_the_edge_extends_the_range_and_says_so():
    trials = make_trials(-1.0)
    field, notes = shrink(trials)
    best = max(trials, key=lambda t: t[1])[0][RATE]
    assert best > 10**-1.25
    assert field.high > 0.1
    assert any("lies at the upper edge 0.1" in note for note in notes)
    field, notes = shrink(make_trials(-6.0))
    assert field.low < 1e-6
    assert any("lower edge" in note for note in notes)


def test_a_range_never_leaves_what_the_field_allows():
    config = get_config()
    space = parse_space({"model.dropout": "0:0.9"}, config)
    trials = [({"model.dropout": x / 50}, -x) for x in range(45)]
    (field,), _ = shrink_space(space, trials)
    assert field.low == 0
    assert field.high < 0.5


def test_options_of_the_best_fifth_stay():
    space = parse_space(
        {"model.head": "linear|svm|mlp", "model.hidden_units": "4:64"},
        get_config(),
    )
    trials = [({"model.head": "svm"}, 0.9 - i / 100) for i in range(8)]
    trials += [({"model.head": "linear"}, 0.1) for _ in range(8)]
    trials += [({"model.head": "mlp", "model.hidden_units": 9}, 0.2)] * 4
    fields, _ = shrink_space(space, trials)
    assert fields[0].options == ("svm",)
    assert fields[1] == space[1]


def test_without_a_completed_trial_the_ranges_stay():
    space = parse_space({RATE: "1e-6:1e-1"}, get_config())
    assert shrink_space(space, [])[0] == space
