"""The table of fields: one row a field, and all that follows from it."""

import runpy
from pathlib import Path

import pytest

from tlkeras.config import config_hash, defaults, get_config, validate
from tlkeras.config.auto_epochs import as_before
from tlkeras.config.conditions import one_of
from tlkeras.config.dotted import (
    differences,
    first_difference,
    get_value,
    set_value,
    walk,
)
from tlkeras.config.field import ON_CODES, Field, patterns_of
from tlkeras.config.fields import FIELDS, UNKNOWN, row_of
from tlkeras.config.solving import solve_obstacle
from tlkeras.errors import InputError
from tlkeras.report.command import list_flags
from tlkeras.tuning.plan import codes_obstacle
from tlkeras.tuning.space.fields import searchable_fields
from tlkeras.tuning.space.space import parse_space

CONFIGS = Path(__file__).parents[2] / "configs"
NEW = "phases.fine_tune.sharpness"


def test_every_field_has_a_row_and_every_row_a_field():
    names = dict(walk(get_config()))
    assert not [name for name in names if row_of(name) is UNKNOWN]
    assert set(FIELDS) <= {p for name in names for p in patterns_of(name)}


@pytest.fixture
def with_new_field(monkeypatch):
    """A config whose phases have one field more, by a default and a row."""
    plain = defaults.phase_section

    def phase_section():
        phase = plain()
        phase.sharpness = 0.5
        return phase

    row = Field(
        "phases.*.sharpness",
        limits=(0, 2, False),
        scale="log",
        search=ON_CODES,
        method="fit",
        when=(one_of("phases.*.optimizer", "lion"),),
    )
    monkeypatch.setattr(defaults, "phase_section", phase_section)
    monkeypatch.setitem(FIELDS, row.name, row)
    return get_config()


def test_a_new_phase_field_is_checked_by_its_row(with_new_field):
    validate(with_new_field)
    with_new_field.phases.fine_tune.sharpness = 2.5
    with pytest.raises(InputError, match=r"sharpness=2.5 is out of range"):
        validate(with_new_field)


def test_a_new_phase_field_is_searched_by_its_row(with_new_field):
    assert NEW in searchable_fields(with_new_field)
    with_new_field.phases.fine_tune.optimizer = "lion"
    (field,) = parse_space({NEW: "0.1:1"}, with_new_field)
    assert (field.kind, field.scale) == ("float", "log")
    with pytest.raises(InputError, match="at most 2"):
        parse_space({NEW: "0.1:3"}, with_new_field)
    ours = {"phases.linear_probe.sharpness": "0.1:1"}
    assert codes_obstacle(with_new_field, ours) == ""


def test_a_new_phase_field_counts_where_its_row_says(with_new_field):
    with pytest.raises(InputError, match="optimizer is never lion"):
        parse_space({NEW: "0.1:1"}, with_new_field)
    optimizer = "phases.fine_tune.optimizer"
    method = "phases.linear_probe.method"
    space = parse_space({NEW: "0.1:1", optimizer: "adam|lion"}, with_new_field)
    assert (space[1].parent, space[1].parent_values) == (optimizer, ("lion",))
    with_new_field.phases.linear_probe.optimizer = "lion"
    space = parse_space(
        {"phases.linear_probe.sharpness": "0.1:1", method: "solve|fit"},
        with_new_field,
    )
    assert (space[1].parent, space[1].parent_values) == (method, ("fit",))


def test_a_field_without_a_row_is_neither_checked_nor_searched(
    with_new_field, monkeypatch
):
    monkeypatch.delitem(FIELDS, "phases.*.sharpness")
    with_new_field.phases.fine_tune.sharpness = -1.0
    validate(with_new_field)
    with pytest.raises(InputError, match="cannot be searched"):
        parse_space({NEW: "0.1:1"}, with_new_field)


def test_a_group_takes_the_closest_row():
    head = "phases.third.groups.head.starts_at"
    assert row_of(head).name == "phases.*.groups.head.starts_at"
    other = row_of(head.replace("head", "stem"))
    assert other.name == "phases.*.groups.*.starts_at"


def test_fields_are_read_and_changed_by_their_names():
    config = get_config()
    for name, value in walk(config):
        assert get_value(config, name) == value
    set_value(config, NEW.replace("sharpness", "momentum"), 0.5)
    assert config.phases.fine_tune.momentum == 0.5
    with pytest.raises(KeyError):
        set_value(config, NEW, 0.5)


def test_differences_name_what_was_changed_and_what_is_missing():
    first, second = get_config(), get_config()
    assert list(differences(first, second)) == []
    assert first_difference(first, second) is None
    second.data.split = [0.7, 0.15, 0.15]  # as JSON has it
    second.model.head = "svm"
    second.model.image_size = 32
    with second.unlocked():
        del second.phases.fine_tune.groups["upper"]
    found = {name: (a, b) for name, a, b in differences(first, second)}
    assert found == {
        "model.head": ("linear", "svm"),
        "model.image_size": (None, 32),
        "phases.fine_tune.groups.upper": (
            first.phases.fine_tune.groups.upper,
            None,
        ),
    }
    assert first_difference(second, first) == ("model.head", "svm", "linear")
    assert list_flags(second)[1] == ["phases.fine_tune.groups.upper"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"is_solvable": False}, "adaptation layers"),
        ({"augment": True}, "augments images"),
        ({"trainable_from": "stage4"}, "trains from 'stage4'"),
    ],
)
def test_what_keeps_a_phase_from_being_solved_is_said(changes, words):
    obstacle = solve_obstacle(**changes)
    assert words in obstacle
    assert bool(words) == bool(obstacle)


def test_hashes_stay_those_of_earlier_runs():
    """They name run directories, and say to which config one belongs."""
    assert config_hash(as_before(get_config())) == "ba1270ad"
    quickstart = runpy.run_path(str(CONFIGS / "quickstart.py"))
    assert config_hash(as_before(quickstart["get_config"]())) == "e4ae2553"
