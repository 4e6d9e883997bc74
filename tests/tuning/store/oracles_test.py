"""Oracles and their store: stages, budgets, and being killed anywhere."""

import dataclasses
import json
import time

import pytest
from keras_tuner.engine.trial import TrialStatus

from tlkeras.errors import InputError
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.search import ask, search, tell
from tlkeras.tuning.store import search_clock
from tlkeras.tuning.store.oracles import build_oracle, require_few_trials
from tlkeras.tuning.store.stored_oracle import EPOCHS, STAGE
from tlkeras.tuning.trials.outcome import (
    COMPLETED,
    DIVERGED,
    FAILED,
    TrialOutcome,
    store_of,
)
from tlkeras.tuning.tune import tune

RATE = "phases.linear_probe.learning_rate"


class Nobody:
    def begin(self, asked):
        pass

    def end(self, outcome):
        pass


def score_by_rate(asked, status=COMPLETED):
    """Runs trials in no time: the higher the rate, the better."""
    return [
        (
            one,
            TrialOutcome(
                one.values, status, val_accuracy=one.values[RATE], val_loss=1.0
            ),
        )
        for one in asked
    ]


def run_all(oracle, directory, run=score_by_rate, batch_size=100):
    search(
        oracle,
        run,
        store_of(directory),
        batch_size=batch_size,
        default_epochs=4,
        watcher=Nobody(),
    )


def test_random_search_goes_from_coarse_to_fine(search_plan, tmp_path):
    oracle = build_oracle(search_plan, tmp_path)
    sizes = []

    def run(asked):
        sizes.append((len(asked), asked[0].stage, asked[0].epochs))
        return score_by_rate(asked)

    run_all(oracle, tmp_path, run)
    assert sizes == [(8, 1, 2), (4, 2, 4)]
    stages = [t.hyperparameters.values for t in oracle.trials.values()]
    fine = [values[RATE] for values in stages if values[STAGE] == 2]
    best = max(v[RATE] for v in stages if v[STAGE] == 1)
    assert all(best / 10 < rate < best * 10 for rate in fine)
    assert {v[EPOCHS] for v in stages} == {2, 4}


def test_what_a_kill_interrupted_is_run_again_and_nothing_twice(
    search_plan, tmp_path
):
    oracle = build_oracle(search_plan, tmp_path)
    asked = ask(oracle, store_of(tmp_path), 100, 4)
    done = score_by_rate(asked)[:3]
    for one, outcome in done:
        tell(oracle, one.trial, outcome)
    again = build_oracle(search_plan, tmp_path)
    ran = []

    def run(trials):
        ran.extend(one.trial.trial_id for one in trials)
        return score_by_rate(trials)

    run_all(again, tmp_path, run)
    finished = {one.trial.trial_id for one in asked[:3]}
    assert not finished & set(ran)
    assert len(ran) == len(set(ran)) == 12 - 3
    assert len(again.trials) == 12
    before = {o.trial.trial_id: o.values for o in asked}
    after = again.trials[asked[5].trial.trial_id].hyperparameters.values
    assert after[RATE] == before[asked[5].trial.trial_id][RATE]


def test_trials_that_only_their_own_files_know_are_taken_up(
    search_plan, tmp_path
):
    """Killed after the trials' files and before the oracle's own."""
    oracle = build_oracle(search_plan, tmp_path)
    early = (tmp_path / "tuning/oracle.json").read_text()
    asked = ask(oracle, store_of(tmp_path), 100, 4)
    (tmp_path / "tuning/oracle.json").write_text(early)
    again = build_oracle(search_plan, tmp_path)
    taken = ask(again, store_of(tmp_path), 100, 4)
    key = lambda one: one.trial.trial_id  # noqa: E731
    assert sorted(map(key, taken)) == sorted(map(key, asked))
    assert again.create_trial("one more").status == TrialStatus.IDLE


def test_an_outcome_on_disk_is_not_computed_again(search_plan, tmp_path):
    oracle = build_oracle(search_plan, tmp_path)
    run_all(oracle, tmp_path)
    state = json.loads((tmp_path / "tuning/oracle.json").read_text())
    state["ongoing_trials"] = {"tuner0": "0003"}
    (tmp_path / "tuning/oracle.json").write_text(json.dumps(state))
    trial = tmp_path / "tuning/trial_0003/trial.json"
    running = json.loads(trial.read_text()) | {"status": "RUNNING"}
    trial.write_text(json.dumps(running))
    again = build_oracle(search_plan, tmp_path)
    run_all(again, tmp_path, lambda asked: pytest.fail("computed again"))
    assert again.trials["0003"].status == TrialStatus.COMPLETED


def test_diverged_trials_are_the_worst_and_failed_ones_are_left_out(
    search_plan, tmp_path
):
    oracle = build_oracle(search_plan, tmp_path)
    kinds = [COMPLETED, DIVERGED, FAILED]

    def run(asked):
        return [
            (
                one,
                dataclasses.replace(
                    outcome,
                    status=kinds[number % 3],
                    reason="" if number % 3 == 0 else "it broke",
                ),
            )
            for number, (one, outcome) in enumerate(score_by_rate(asked))
        ]

    run_all(oracle, tmp_path, run)
    trials = [oracle.trials[name] for name in sorted(oracle.trials)]
    assert len(trials) == 12
    assert trials[1].score == 0.0
    assert trials[1].message == "it broke"
    assert trials[2].status == TrialStatus.FAILED


def test_patience_ends_a_stage_and_the_clock_ends_the_search(
    search_config, tmp_path
):
    search_config.tuning.num_trials = 60
    search_config.tuning.patience = 3
    plan = make_plan(search_config, {RATE: "1e-4:1e-1:log"})
    oracle = build_oracle(plan, tmp_path / "a")

    def run(asked):
        return [
            (one, dataclasses.replace(outcome, val_accuracy=0.5))
            for one, outcome in score_by_rate(asked)
        ]

    run_all(oracle, tmp_path / "a", run, batch_size=1)
    stages = [t.hyperparameters.values[STAGE] for t in oracle.trials.values()]
    assert (stages.count(1), stages.count(2)) == (4, 4)
    assert oracle.ended == oracle.clock.over == "no new best in 3 trials"
    note = "begun after 4 of 40 trials before it: no new best in 3"
    assert oracle.stage_spaces()[1][1][0].startswith(note)
    search_config.tuning.max_seconds = 1e-9
    plan = make_plan(search_config, {RATE: "1e-4:1e-1:log"})
    oracle = build_oracle(plan, tmp_path / "b")
    run_all(oracle, tmp_path / "b", run)
    assert not oracle.trials
    assert oracle.ended == "the time is up"


def test_the_clock_counts_over_restarts(search_config, tmp_path):
    search_config.tuning.max_seconds = 30.0
    plan = make_plan(search_config, {RATE: "1e-4:1e-1:log"})
    with build_oracle(plan, tmp_path).clock as clock:
        time.sleep(0.2)
        left = clock.seconds_left
    again = build_oracle(plan, tmp_path)
    assert again.clock.seconds >= 0.2
    assert again.deadline - time.monotonic() <= left < 29.9
    search_config.tuning.max_seconds = 0.1
    plan = make_plan(search_config, {RATE: "1e-4:1e-1:log"})
    late = build_oracle(plan, tmp_path)
    assert late.create_trial("a").status == TrialStatus.STOPPED
    assert late.clock.over == late.ended == "the time is up"


def test_a_kill_takes_little_from_the_clock(search_plan, tmp_path, monkeypatch):
    monkeypatch.setattr(search_clock, "TICK_SECONDS", 0.05)
    with build_oracle(search_plan, tmp_path).clock:
        time.sleep(0.3)
        assert build_oracle(search_plan, tmp_path).clock.seconds > 0.1


def test_a_search_that_is_over_stays_over(search_config, tmp_path):
    """Whatever its budget is when it is started again."""
    search_config.tuning.max_seconds = 1e-9
    plan = make_plan(search_config, {RATE: "1e-4:1e-1:log"})
    run_all(build_oracle(plan, tmp_path), tmp_path)
    search_config.tuning.max_seconds = 1e9
    plan = make_plan(search_config, {RATE: "1e-4:1e-1:log"})
    again = build_oracle(plan, tmp_path)
    assert again.clock.over == again.ended == "the time is up"
    assert again.create_trial("a").status == TrialStatus.STOPPED


def test_a_restarted_worker_gets_its_trial_after_the_time(
    search_plan, tmp_path
):
    oracle = build_oracle(search_plan, tmp_path)
    held = oracle.create_trial("worker0")
    oracle.deadline = time.monotonic() - 1
    assert oracle.create_trial("worker1").status == TrialStatus.STOPPED
    assert oracle.clock.over is None
    again = oracle.create_trial("worker0")
    assert (again.trial_id, again.status) == (held.trial_id, "RUNNING")
    tell(oracle, again, TrialOutcome({}, FAILED, "over time"))
    assert oracle.create_trial("worker0").status == TrialStatus.STOPPED
    assert oracle.clock.over == "the time is up"
    assert not oracle.tuner_ids


@pytest.mark.parametrize("kind", ["bayesian", "hyperband"])
def test_keras_tuners_other_oracles_run_and_go_on(
    search_config, tmp_path, kind
):
    search_config.tuning.oracle = kind
    search_config.tuning.num_trials = 8
    plan = make_plan(search_config, {RATE: "1e-4:1e-1:log"})
    oracle = build_oracle(plan, tmp_path)
    sizes, calls = [], []

    def run(asked):
        calls.append(sorted({one.epochs for one in asked}))
        if len(calls) == 2:
            raise KeyboardInterrupt
        sizes.append(len(asked))
        return score_by_rate(asked)

    with pytest.raises(KeyboardInterrupt):
        run_all(oracle, tmp_path, run, batch_size=5)
    first = {name for name, t in oracle.trials.items() if t.score is not None}
    again = build_oracle(plan, tmp_path)
    run_all(again, tmp_path, run, batch_size=5)
    assert first <= set(again.trials)
    assert all(t.score is not None for t in again.trials.values())
    assert sum(sizes) == len(again.trials)
    if kind == "bayesian":
        assert len(again.trials) == 8
    else:
        assert len({epochs for call in calls for epochs in call}) > 1
    best = max(t.hyperparameters.values[RATE] for t in again.trials.values())
    assert best > 1e-3


def test_few_options_end_the_search_when_all_are_tried(search_config, tmp_path):
    plan = make_plan(search_config, {"model.head": "linear|svm"})
    oracle = build_oracle(plan, tmp_path)

    def run(asked):
        return [
            (one, TrialOutcome(one.values, COMPLETED, val_accuracy=0.5))
            for one in asked
        ]

    run_all(oracle, tmp_path, run)
    assert len(oracle.trials) == 2


def finish_trial(oracle, trial, score):
    oracle.update_trial(trial.trial_id, {"val_accuracy": score})
    trial.status = TrialStatus.COMPLETED
    oracle.end_trial(trial)


def test_patience_waits_for_trials_that_may_be_a_new_best(
    search_config, tmp_path
):
    search_config.tuning.oracle = "bayesian"
    search_config.tuning.num_trials = 20
    search_config.tuning.patience = 2
    plan = make_plan(search_config, {RATE: "1e-4:1e-1:log"})
    oracle = build_oracle(plan, tmp_path)
    slow = oracle.create_trial("worker1")
    for score in (0.5, 0.1, 0.1):
        finish_trial(oracle, oracle.create_trial("worker0"), score)
    assert oracle.create_trial("worker0").status == TrialStatus.IDLE
    again = build_oracle(plan, tmp_path)  # killed: the slow one is run again
    assert again.create_trial("worker0").trial_id == slow.trial_id
    finish_trial(oracle, slow, 0.9)
    trial = oracle.create_trial("worker1")
    assert (trial.status, oracle.ended) == (TrialStatus.RUNNING, "")
    for score in (0.1, 0.1):
        finish_trial(oracle, trial, score)
        trial = oracle.create_trial("worker1")
    assert trial.status == TrialStatus.STOPPED
    assert oracle.clock.over == "no new best in 2 trials"


def test_more_trials_than_an_oracle_can_propose_are_refused(
    search_config, tmp_path
):
    search_config.tuning.oracle = "bayesian"
    search_config.tuning.num_trials = 1001
    plan = make_plan(search_config, {"model.dropout": "0.1:0.9"})
    with pytest.raises(InputError, match=r"1001 trials .* at most 1000"):
        tune(search_config, plan, tmp_path / "search")
    assert not (tmp_path / "search").exists()
    search_config.tuning.oracle = "random"
    plan = make_plan(search_config, {"model.dropout": "0.1:0.9"})
    require_few_trials(plan)
