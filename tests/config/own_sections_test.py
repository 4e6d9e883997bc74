"""What a config file of the user's own leaves out, adds, or sets to None."""

import json

import pytest
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config import defaults, get_config, validate
from tlkeras.config.dotted import set_value, walk
from tlkeras.config.run_directory import open_run_directory, read_config
from tlkeras.errors import InputError

DEFAULTS = list(walk(get_config()))


@pytest.mark.parametrize("name", [n for n, v in DEFAULTS if v is None])
def test_none_is_allowed_where_it_is_the_default(name):
    config = get_config()
    set_value(config, name, None)
    validate(config)


@pytest.mark.parametrize(
    "place", ["model.droput", "data.augment.flip", "phases.fine_tune.epoch"]
)
def test_a_mistyped_field_of_an_unlocked_config_is_refused(place):
    config = get_config()
    with config.unlocked():
        set_value(config, place, 0.5)
    with pytest.raises(InputError, match=f"'{place}' is no field"):
        validate(config)


@pytest.mark.parametrize(
    "phase",
    [3, None, {}, {"epochs": 2}, {**defaults.phase_section(), "groups": {}}],
    ids=["a number", "None", "empty", "epochs only", "no groups"],
)
def test_a_phase_that_lacks_fields_is_refused(phase):
    config = get_config()
    with config.unlocked():
        config.phases.warm_up = phase
        config.phases.phase_order = ("warm_up", "fine_tune")
    with pytest.raises(InputError, match=r"phases\.warm_up.* lacks "):
        validate(config)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("schedule_args", ConfigDict({"warmup_epochs": 1.0})),
        ("learning_rate", {}),
        ("groups", None),
        ("groups.head", ConfigDict({"optimizer": "sgd"})),
    ],
    ids=range(4),
)
def test_a_part_of_a_phase_that_lacks_fields_is_refused(place, value):
    config = get_config()
    with config.unlocked():
        set_value(config.phases.fine_tune, place, value)
    with pytest.raises(InputError, match=r"phases\.fine_tune.* lacks "):
        validate(config)


def test_a_phase_of_all_fields_is_allowed():
    config = get_config()
    with config.unlocked():
        config.phases.warm_up = defaults.phase_section()
        config.phases.warm_up.groups.stem = defaults.group_section(0.1, "conv1")
    config.phases.phase_order = ("warm_up", "fine_tune")
    validate(config)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("evaluation.bootstrap_samples", 10**6),
        ("data.augment.randaugment_magnitude", 40.0),
        ("tuning.num_trials", 10**7),
        ("report.language", None),
    ],
)
def test_an_older_run_beyond_the_ends_is_not_to_be_deleted(
    tmp_path, place, value
):
    open_run_directory(tmp_path, get_config())
    path = tmp_path / workdir.CONFIG
    written = json.loads(path.read_text())
    path.write_text(json.dumps(set_and_return(written, place, value)))
    with pytest.raises(InputError, match=f"earlier version.*{place}") as caught:
        read_config(tmp_path)
    assert "delete" not in str(caught.value)
    assert "--config" not in str(caught.value)


def set_and_return(values, place, value):
    set_value(values, place, value)
    return values
