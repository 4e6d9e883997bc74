"""Trials on codes: one by one, and what ends them."""

import numpy as np
import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.console import Console
from tlkeras.tuning.page.live_table import LiveTable
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.search import search
from tlkeras.tuning.space.fields import apply_values
from tlkeras.tuning.store.oracles import build_oracle
from tlkeras.tuning.trials.codes import load_head_codes
from tlkeras.tuning.trials.codes_trials import CodesTrials
from tlkeras.tuning.trials.head_trials import run_head_trials
from tlkeras.tuning.trials.outcome import read_outcomes, store_of


def train_all(configs, codes):
    """Trains heads on codes and returns them in their order."""
    heads = {}
    for some in run_head_trials(configs, codes):
        heads |= some
    return [heads[number] for number in sorted(heads)]


@pytest.fixture(scope="module")
def codes(make_small_config):
    plan = make_plan(make_small_config({}), {})
    return load_head_codes(plan.config, Console(quiet=True))


def test_a_trial_on_codes_is_what_the_trainer_does(
    search_config, codes, tmp_path
):
    search_config.model.dropout = 0.0
    plan = make_plan(search_config, {})
    config = plan.trial_config(
        {
            "phases.linear_probe.learning_rate": 3e-2,
            "model.head_l2": 1e-3,
        }
    )
    (head,) = train_all([config], codes)
    train_and_evaluate(config, tmp_path)
    rows = workdir.read_table(tmp_path / workdir.HISTORY)
    assert len(rows) == len(head.history) == 4
    for row, mine in zip(rows, head.history, strict=True):
        for name in ("train/loss", "val/loss", "val/top_1_accuracy"):
            assert mine[name] == pytest.approx(float(row[name]), rel=2e-4)


@pytest.mark.parametrize(
    "field",
    [
        "model.head_max_norm",
        "phases.linear_probe.clipnorm",
        "phases.linear_probe.global_clipnorm",
        "phases.linear_probe.early_stopping_patience",
    ],
)
def test_a_head_alone_whose_limit_is_never_met_is_the_batched_one(
    search_config, codes, field
):
    """What cannot be batched is trained by Keras, to the same head."""
    search_config.model.dropout = 0.0
    search_config.phases.linear_probe.learning_rate = 1e-2
    plan = make_plan(search_config, {"model.head_l2": "1e-6:1:log"})
    config = plan.trial_config({"model.head_l2": 1e-3})
    (batched,) = train_all([config], codes)
    (alone,) = train_all([apply_values(config, {field: 1000})], codes)
    assert alone.epoch == batched.epoch
    np.testing.assert_allclose(alone.kernel, batched.kernel, 1e-3, 1e-5)
    assert alone.history[-1]["train/loss"] == pytest.approx(
        batched.history[-1]["train/loss"], rel=1e-4
    )


def test_adaptation_layers_and_other_optimizers_are_trained(
    search_config, codes
):
    plan = make_plan(
        search_config,
        {
            "model.head": "linear|mlp|svm",
            "model.hidden_units": "4:32:log",
            "phases.linear_probe.optimizer": "rmsprop|adagrad|adamw",
        },
    )
    optimizer = "phases.linear_probe.optimizer"
    table = [
        {"model.head": "mlp", "model.hidden_units": 8, optimizer: "adamw"},
        {"model.head": "linear", optimizer: "rmsprop"},
        {"model.head": "svm", optimizer: "adamw"},
    ]
    heads = train_all([plan.trial_config(v) for v in table], codes)
    assert [head.kernel.shape for head in heads] == [(8, 2), (128, 2), (128, 2)]
    for head in heads:
        losses = [row["train/loss"] for row in head.history]
        assert len(losses) == 4
        assert losses[-1] < losses[0]


def test_time_that_is_up_begins_no_other_head(search_config, codes, tmp_path):
    """Heads that Keras trains one by one: those left are nobody's result."""
    search_config.phases.linear_probe.optimizer = "rmsprop"
    plan = make_plan(search_config, {"model.head_l2": "1e-6:1:log"})
    oracle, store = build_oracle(plan, tmp_path), store_of(tmp_path)
    runner = CodesTrials(
        codes, plan.trial_config, lambda: len(read_outcomes(store)) >= 2
    )
    search(
        oracle,
        runner,
        store,
        batch_size=100,
        default_epochs=4,
        watcher=LiveTable(Console(quiet=True), ["model.head_l2"], 12, None),
    )
    outcomes = read_outcomes(store)
    assert [len(outcome.history) for outcome in outcomes] == [2, 2]
    assert oracle.ended == "the time is up"
    states = [trial.status for trial in oracle.trials.values()]
    assert sorted(states) == ["COMPLETED"] * 2 + ["RUNNING"] * 6


def test_time_that_is_up_ends_a_head_alone_after_an_epoch(search_config, codes):
    search_config.phases.linear_probe.optimizer = "rmsprop"
    plan = make_plan(search_config, {"model.head_l2": "1e-6:1:log"})
    config = plan.trial_config({"model.head_l2": 1e-3})
    answers = iter([False, False, True])
    (heads,) = run_head_trials([config], codes, is_over=lambda: next(answers))
    assert len(heads[0].history) == 2
