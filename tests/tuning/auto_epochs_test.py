"""Searches whose epochs follow the data, and searches of before."""

import dataclasses
import json

import pytest

from tlkeras import workdir
from tlkeras.config.auto_epochs import as_before
from tlkeras.errors import InputError
from tlkeras.training import epoch_rule
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.space.fields import copy_config
from tlkeras.tuning.store.search_directory import (
    default_search_directory,
    follow_plan,
    has_epochs,
    open_search_directory,
    record_epochs,
)
from tlkeras.tuning.tune import tune

L2 = {"model.head_l2": "1e-6:1e2:log"}


@pytest.fixture
def auto_config(search_config):
    search_config.phases.linear_probe.epochs = "auto"
    return search_config


def test_trials_have_the_epochs_of_the_rule_and_the_search_keeps_them(
    auto_config, tmp_path, monkeypatch
):
    monkeypatch.setattr(epoch_rule, "FEWEST_STEPS", 9)
    monkeypatch.setattr(epoch_rule, "USUAL_EPOCHS", 1)
    auto_config.tuning.num_trials = 4
    auto_config.tuning.compare = False
    auto_config.tuning.noise_seeds = 2
    auto_config.tuning.final_trials = auto_config.tuning.final_seeds = 1
    result = tune(auto_config, make_plan(auto_config, L2), tmp_path / "a")
    assert {t.epochs for t in result.trials} == {2, 3}  # coarse, fine
    stored = workdir.read_json(tmp_path / "a" / workdir.SEARCH)
    assert stored["epochs"] == {"linear_probe": 3}
    assert stored["config"]["phases"]["linear_probe"]["epochs"] == "auto"
    followed = follow_plan(make_plan(auto_config, L2), tmp_path / "a")
    assert followed.epochs == 3
    again = tune(auto_config, make_plan(auto_config, L2), tmp_path / "a")
    assert again == result


def test_a_search_goes_on_with_the_epochs_that_it_began_with(
    auto_config, tmp_path
):
    plan = make_plan(auto_config, L2)
    open_search_directory(tmp_path, plan)
    assert not has_epochs(tmp_path)
    record_epochs(tmp_path, plan.resolved(1000))
    later = follow_plan(make_plan(auto_config, L2), tmp_path)
    assert later.resolved(10**6).epochs == plan.resolved(1000).epochs
    open_search_directory(tmp_path, make_plan(auto_config, L2))  # the same


def test_a_search_of_before_is_gone_on_with(auto_config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    new = make_plan(auto_config, L2)
    old = make_plan(as_before(auto_config), L2)
    place = default_search_directory(old)
    assert default_search_directory(new) != place
    open_search_directory(tmp_path / place, old)
    assert default_search_directory(new) == place
    open_search_directory(tmp_path / place, new)
    assert follow_plan(new, tmp_path / place).epochs == 20
    config = copy_config(new.config)
    config.phases.linear_probe.epochs = 7
    other = dataclasses.replace(new, config=config)
    with pytest.raises(InputError, match="epochs was 20 and is 7"):
        open_search_directory(tmp_path / place, other)


def test_all_that_a_search_writes_is_json(auto_config, tmp_path):
    plan = make_plan(auto_config, L2)
    open_search_directory(tmp_path, plan)
    record_epochs(tmp_path, plan.resolved(245))
    text = (tmp_path / workdir.SEARCH).read_text()
    assert json.loads(text)["epochs"]["linear_probe"] > 0
