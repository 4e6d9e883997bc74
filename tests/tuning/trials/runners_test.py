"""The two ways to run trials answer the same calls."""

import time

import pytest

from tlkeras.tuning.modes import MODES
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.trials.codes_trials import CodesTrials
from tlkeras.tuning.trials.full_trials import ProcessTrials
from tlkeras.tuning.trials.runners import RUNNERS, TrialRunner


def test_each_mode_has_a_runner():
    assert RUNNERS.keys() == MODES.keys()


@pytest.mark.parametrize("name", RUNNERS)
def test_a_runner_has_what_a_search_calls(name):
    wanted = {n for n in vars(TrialRunner) if not n.startswith("_")}
    assert {"start", "until", "train_run", "check_space"} <= wanted
    assert all(callable(getattr(RUNNERS[name], n)) for n in wanted)
    # Heads train together in this process; processes run one by one.
    assert RUNNERS[name].runs_batches == MODES[name].on_codes


@pytest.mark.parametrize("name", MODES)
def test_a_plan_takes_the_number_of_trials_from_its_mode(small_config, name):
    small_config.tuning.mode = name
    small_config.tuning.num_trials = None
    plan = make_plan(small_config, {"model.head_l2": "1e-6:1:log"})
    assert plan.num_trials == MODES[name].num_trials
    assert plan.on_codes == MODES[name].on_codes


def test_heads_end_at_the_deadline_and_without_one_never():
    trials = CodesTrials(codes=None, make_config=None)
    assert not trials.is_over()
    late = trials.until(time.monotonic() - 1)
    assert late.is_over()
    assert not late.until(None).is_over()
    assert not trials.until(time.monotonic() + 60).is_over()


def test_processes_keep_their_own_limits_beside_the_deadline(small_config):
    small_config.tuning.mode = "full"
    small_config.tuning.max_trial_seconds = 9.0
    small_config.tuning.max_trial_bytes = 10**9
    plan = make_plan(small_config, {"model.dropout": "0.1:0.9"})
    trials = ProcessTrials.of(plan)
    assert trials.limits.deadline is None
    limits = trials.until(5.0).limits
    assert (limits.seconds, limits.bytes, limits.deadline) == (9.0, 10**9, 5.0)
    assert trials.until(5.0).until(None) == trials
