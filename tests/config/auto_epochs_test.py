"""`epochs="auto"`: its values, its flags, and the runs of before it."""

import json

import pytest

from tlkeras import workdir
from tlkeras.config import config_hash, default_workdir, get_config, validate
from tlkeras.config.config_file import write_config_file
from tlkeras.config.run_directory import (
    follow_run,
    open_run_directory,
    own_run_directory,
)
from tlkeras.errors import InputError


def make(warmup="auto", p_value=0.95, rate=None, **epochs):
    config = get_config()
    config.evaluation.replace_p_value = p_value
    if rate:
        config.phases.fine_tune.learning_rate = rate
    for name in config.phases.phase_order:
        config.phases[name].schedule_args.warmup_epochs = warmup
    config.data.source = "photos"
    for name, value in epochs.items():
        config.phases[name].epochs = value
    return config


EARLIER = {
    "linear_probe": 20,
    "fine_tune": 12,
    "warmup": 1.0,
    "p_value": 0.05,
    "rate": 3e-3,
}


def test_both_phases_leave_it_to_the_data():
    config = get_config()
    assert config.phases.linear_probe.epochs == "auto"
    assert config.phases.fine_tune.epochs == "auto"
    validate(config)
    validate(make(fine_tune=7))
    validate(make(fine_tune=0))


@pytest.mark.parametrize("value", ["many", "", 2.5, -1, True, (3,), 1e300])
def test_what_is_neither_a_whole_number_nor_auto_is_refused(value):
    with pytest.raises(InputError, match=r"phases\.fine_tune\.epochs") as told:
        validate(make(fine_tune=value))
    assert "--config.phases.fine_tune.epochs" in str(told.value)


def begin(directory, config):
    """Leaves a run that has committed something."""
    open_run_directory(directory, config)
    (directory / workdir.CHECKPOINTS / workdir.STATE).touch()


def test_auto_goes_on_with_the_epochs_of_an_earlier_version(tmp_path):
    begin(tmp_path, make(**EARLIER))
    config = follow_run(make(), tmp_path)
    assert config.phases.linear_probe.epochs == 20
    assert config.phases.fine_tune.epochs == 12
    assert config.phases.fine_tune.schedule_args.warmup_epochs == 1.0
    assert config.evaluation.replace_p_value == 0.05
    assert config.phases.fine_tune.learning_rate == 3e-3
    open_run_directory(tmp_path, config)  # is the same run
    other = follow_run(make(fine_tune=7), tmp_path)
    with pytest.raises(InputError, match=r"epochs was 12 and is 7"):
        open_run_directory(tmp_path, other)
    other = follow_run(make(rate=1e-3), tmp_path)
    with pytest.raises(InputError, match=r"rate was 0\.003 and is 0\.001"):
        open_run_directory(tmp_path, other)


def test_a_default_that_a_run_keeps_is_told(tmp_path, capsys):
    begin(tmp_path, make(rate=3e-3))
    with own_run_directory(tmp_path, make()) as (config, _):
        assert config.phases.fine_tune.learning_rate == 3e-3
    assert "fine_tune.learning_rate stays 0.003" in capsys.readouterr().err


def test_a_run_that_began_with_auto_keeps_it(tmp_path):
    begin(tmp_path, make())
    config = follow_run(make(), tmp_path)
    assert config.phases.fine_tune.epochs == "auto"
    open_run_directory(tmp_path, config)


def test_what_only_an_earlier_version_began_is_found_by_the_same_command(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    new, old = make(), make(**EARLIER)
    assert config_hash(new) != config_hash(old)
    assert default_workdir(new) != default_workdir(old)
    begin(tmp_path / default_workdir(old), old)
    assert default_workdir(new) == default_workdir(old)
    assert default_workdir(make(fine_tune=7)) != default_workdir(old)
    own = f"runs/photos-{config_hash(new)}"
    begin(tmp_path / own, new)
    assert default_workdir(new) == own


def test_the_word_survives_a_config_file(tmp_path):
    path = tmp_path / "config.py"
    for config in (make(), make(fine_tune=7)):
        write_config_file(path, config, "A test.")
        scope = {}
        exec(path.read_text(), scope)
        again = scope["get_config"]()
        assert json.loads(again.to_json_best_effort()) == json.loads(
            config.to_json_best_effort()
        )
