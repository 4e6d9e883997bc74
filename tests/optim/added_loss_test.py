"""A loss and a head of one row each go wherever the built-in ones go."""

import dataclasses

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax

from tlkeras.config import fields
from tlkeras.console import Console
from tlkeras.errors import InputError
from tlkeras.evaluation.run import load_run
from tlkeras.exporters.export import ExportSettings, export_run
from tlkeras.models.heads import HEADS, HeadSpec
from tlkeras.optim.losses import LOSSES, compute_losses
from tlkeras.studies.preflight import run_preflight
from tlkeras.training.trainer import train_and_evaluate
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.trials.codes import load_head_codes
from tlkeras.tuning.trials.head_trials import run_head_trials
from tlkeras.tuning.tune import tune

# Independent classes, as `binary`, where each image has one label.
ONE_VS_REST = dataclasses.replace(
    LOSSES["binary"],
    name="one_vs_rest",
    accuracy=keras.metrics.CategoricalAccuracy,
    multi_label=False,
)
FIELDS = {
    "model.head": "one_vs_rest",
    "phases.linear_probe.epochs": 4,
    "phases.linear_probe.batch_size": 16,
    "phases.linear_probe.optimizer": "sgd",
    "phases.fine_tune.trainable_from": "stage4",
    "tuning.num_trials": 6,
    "tuning.noise_seeds": 2,
    "tuning.final_trials": 1,
    "tuning.final_seeds": 1,
    "tuning.compare": False,
    "tuning.coarse_epochs": 2,
    "report.enabled": False,
}
RATES = {"phases.linear_probe.learning_rate": "1e-3:1e-1:log"}


def allow_head(patch, name):
    """Makes a name one of the choices of `model.head`."""
    row = fields.FIELDS["model.head"]
    row = dataclasses.replace(row, choices=(*row.choices, name))
    patch.setitem(fields.FIELDS, "model.head", row)


@pytest.fixture(scope="module", autouse=True)
def added():
    """The loss and the head, each in its table for these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LOSSES, ONE_VS_REST.name, ONE_VS_REST)
        head = HeadSpec(
            ONE_VS_REST, has_hidden=False, is_solvable=True, is_batchable=True
        )
        patch.setitem(HEADS, "one_vs_rest", head)
        allow_head(patch, "one_vs_rest")
        yield


@pytest.fixture(scope="module")
def config(added, make_small_config):
    return make_small_config(FIELDS)


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """A run that solves, then fits."""
    directory = tmp_path_factory.mktemp("added") / "run"
    result = train_and_evaluate(config, directory)
    return load_run(directory), result


def test_it_is_solved_and_fitted_and_named_in_the_result(trained):
    run, result = trained
    assert run.loss is ONE_VS_REST
    assert result["loss"] == "one_vs_rest"
    assert not result["multi_label"]
    solved, fitted = result["phases"]
    assert "l2" in solved
    assert "layer_groups" in fitted
    assert min(p["val/top_1_accuracy"] for p in (solved, fitted)) > 0.8
    examples = run.load_dataset("test").splits["test"]
    logits = run.compute_logits(examples)
    own, other = (
        compute_losses(examples.targets, logits, loss).mean()
        for loss in (ONE_VS_REST, LOSSES["softmax"])
    )
    assert result["test/loss"] == pytest.approx(own, rel=1e-4)
    assert result["test/loss"] != pytest.approx(other, rel=1e-2)
    assert len(result["calibration"]["temperature"]) == 1


def test_a_solver_that_lacks_it_says_so(config, tmp_path):
    changed = config.copy_and_resolve_references()
    changed.phases.linear_probe.solver = "sklearn"
    with pytest.raises(InputError, match="for the loss 'one_vs_rest'"):
        train_and_evaluate(changed, tmp_path)


def test_it_is_checked_against_its_own_loss_of_knowing_nothing(
    config, tmp_path
):
    results = {r.name: r for r in run_preflight(config, tmp_path)}
    assert results["initial_loss"].expected == pytest.approx(0.6931, abs=1e-4)
    assert results["initial_loss"].verdict == "pass"
    learnt = results["overfit_20/fine_tune"]
    assert learnt.verdict in ("pass", "warn")


def test_heads_at_once_are_those_that_keras_trains(config):
    plan = make_plan(config, RATES)
    codes = load_head_codes(plan.config, Console(quiet=True))
    base = {"phases.linear_probe.learning_rate": 3e-2, "model.dropout": 0.0}
    trials = [
        plan.trial_config({**base, **more})
        for more in ({}, {"model.head_max_norm": 1000.0})
    ]
    heads = {}
    for some in run_head_trials(trials, codes):
        heads |= some
    batched, alone = heads[0], heads[1]
    np.testing.assert_allclose(batched.kernel, alone.kernel, 1e-3, 1e-5)
    assert batched.history[-1]["train/loss"] < np.log(2)


def test_it_is_searched_on_codes(config, tmp_path):
    result = tune(config, make_plan(config, RATES), tmp_path / "search")
    assert {trial.status for trial in result.trials} == {"completed"}
    assert all(trial.val_accuracy is not None for trial in result.trials)


def test_what_is_exported_gives_its_scores(trained, tmp_path):
    import tensorflow as tf

    run, _ = trained
    settings = ExportSettings(formats=("saved_model",), max_drop=0.3)
    report = export_run(run.directory, tmp_path / "photos", settings)
    row = report["formats"]["saved_model"]
    assert not row["refused"]
    examples = run.load_dataset("validation").splits["validation"]
    serving = tf.saved_model.load(tmp_path / "photos" / row["path"])
    answers = serving.signatures["serving_default"](
        tf.constant([tf.io.read_file(p).numpy() for p in examples.paths])
    )["probabilities"]
    scores = np.array([p.probabilities for p in run.predict(examples.paths)])
    np.testing.assert_allclose(answers, scores, atol=1e-4)
    logits = run.compute_logits(examples)
    np.testing.assert_allclose(scores, expit(logits), atol=1e-5)
    assert not np.allclose(scores, softmax(logits, axis=-1), atol=1e-3)
