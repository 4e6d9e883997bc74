"""Pictures and lines of trials, as both pages show them."""

import dataclasses
import math
import re

import pytest

from tlkeras.charts import LEVELS, THEME
from tlkeras.tuning.page.lines import format_row, format_trials
from tlkeras.tuning.page.plots import (
    compute_effects,
    plot_effects,
    plot_learning_curves,
    plot_parallel,
    plot_scatter,
    scatter_fields,
)
from tlkeras.tuning.space.space import SearchField
from tlkeras.tuning.trials.outcome import TrialOutcome, rank_trials

RATE, L2, HEAD = "a.learning_rate", "a.head_l2", "model.head"
NAMES = {RATE: "lr", L2: "reg", HEAD: "head"}
SPACE = (
    SearchField(HEAD, "choice", options=("linear", "svm")),
    SearchField(RATE, "float", 1e-5, 1.0, "log"),
    SearchField(L2, "float", 0.0, 1.0),
)


def make_outcomes(*scores):
    return [
        TrialOutcome(
            {RATE: 10.0**-number, L2: 0.1 * number, HEAD: "svm"},
            "diverged" if score is None else "completed",
            val_accuracy=score,
            val_loss=1.0,
            history=[{"train/loss": 1.0 / number}] * number,
        )
        for number, score in enumerate(scores, 1)
    ]


def draw_all(outcomes, space=SPACE):
    return {
        "scatter": plot_scatter(outcomes, space, 0, NAMES),
        "parallel": plot_parallel(outcomes, space, NAMES),
        "effects": plot_effects(outcomes, space, NAMES),
        "losses": plot_learning_curves(outcomes, rank_trials(outcomes)),
    }


@pytest.mark.parametrize(
    "text",
    ["1e-05:0.1:log", "0:0.5:linear", "1:8:int", "4:32:log", "a|b", "1|2.5|x"],
)
def test_a_field_is_read_from_its_own_text(text):
    field = SearchField.from_text("x", text)
    assert field.as_text() == text
    assert field.scale == ("log" if text.endswith("log") else "linear")


@pytest.mark.parametrize(
    "field",
    [
        SearchField("x", "float", 1e-6, 1e2, "log"),
        SearchField("x", "float", -0.5, 0.5),
        SearchField("x", "int", 1, 8),
        SearchField("x", "choice", options=("linear", "svm")),
    ],
)
def test_the_text_of_a_field_makes_the_field(field):
    assert SearchField.from_text("x", field.as_text()) == field


@pytest.mark.parametrize("text", ["", "nonsense", "1:", "a:b:log", "::"])
def test_a_text_that_is_no_range_is_a_choice(text):
    assert SearchField.from_text("x", text).kind == "choice"


def test_choices_have_no_place_in_a_scatter():
    assert [field.name for field in scatter_fields(SPACE)] == [RATE, L2]
    outcomes = make_outcomes(0.5, 0.6)
    assert plot_scatter(outcomes, SPACE[:2], 0, NAMES) == ""
    assert plot_scatter([], SPACE, None, NAMES) == ""


@pytest.mark.parametrize("scores", [(0.5,), (0.5, 0.5), (0.2, None, 0.9)])
def test_pictures_hold_variables_for_colours(scores):
    for name, svg in draw_all(make_outcomes(*scores)).items():
        found = set(re.findall(r"#[0-9a-f]{6}", svg))
        assert not found & {*LEVELS, *THEME.values()}, name
        assert "var(--" in svg, name


def test_the_best_line_stands_out_most_and_the_worst_least():
    svg = plot_parallel(make_outcomes(0.2, 0.9), SPACE, NAMES)
    assert svg.index("var(--level-0)") < svg.index("var(--level-7)")


def test_trials_without_a_finite_score_are_neither_ranked_nor_drawn():
    outcomes = make_outcomes(0.5, math.nan, 0.7, None, math.inf)
    assert rank_trials(outcomes) == [2, 0]
    for index in (1, 4):
        outcomes[index] = dataclasses.replace(
            outcomes[index], status="completed"
        )
    assert rank_trials(outcomes) == [2, 0]
    assert "completed (2)" in plot_scatter(outcomes, SPACE, 2, NAMES)
    assert "quit or failed (3)" in plot_scatter(outcomes, SPACE, 2, NAMES)
    assert draw_all(make_outcomes(None, None))["scatter"] == ""


def test_names_of_any_text_are_drawn_as_they_are():
    options = ("$\\frac$", "<b>")
    space = (SearchField(HEAD, "choice", options=options), *SPACE[1:])
    outcomes = make_outcomes(0.5, 0.6)
    for outcome, option in zip(outcomes, options, strict=True):
        outcome.values[HEAD] = option
    svg = plot_parallel(outcomes, space, NAMES)
    assert "$\\frac$" in svg
    assert "&lt;b&gt;" in svg


def test_the_line_of_a_trial_is_that_of_all_lines():
    trials = [
        TrialOutcome({RATE: 0.1}, status, "why", score)
        for score, status in ((0.5, "completed"), (None, "failed"))
    ]
    lines = format_trials(trials, 0, [RATE]).splitlines()
    assert lines == [format_row(trials, i, 0, {RATE: "lr"}) for i in (0, 1)]
    assert lines[0].endswith("(1 / 2)  <-- best")
    assert lines[1].endswith("(2 / 2)  why")


def test_parts_of_a_narrow_range_stay_apart():
    field = SearchField("model.image_size", "int", 200, 204)
    outcomes = [
        TrialOutcome({field.name: size}, "completed", val_accuracy=size / 1000)
        for size in range(200, 205)
    ]
    rows = compute_effects(outcomes, field)
    assert [row.count for row in rows] == [2, 1, 2]
