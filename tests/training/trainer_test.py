"""The main job, in process, on a small real network and real JPEGs."""

import contextlib
import io

import numpy as np
import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.console import Console
from tlkeras.errors import GateError, InputError

from .finished_runs import history_of, weights_of


@pytest.fixture(scope="module")
def finished(make_small_config, tmp_path_factory):
    """A run of both phases: its directory, its result, and what it printed."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    with contextlib.redirect_stdout(io.StringIO()) as out:
        result = train_and_evaluate(
            make_small_config(), directory, console=Console()
        )
    return directory, result, out.getvalue()


@pytest.fixture
def brief_config(make_small_config):
    """Of what is looked at for its phases alone."""
    return make_small_config(
        {
            "phases.fine_tune.trainable_from": "stage4",
            "checks.enabled": False,
            "evaluation.test_at_end": False,
        }
    )


def test_a_run_writes_the_whole_directory(finished):
    directory, result, _ = finished
    for name in (
        workdir.CONFIG,
        workdir.CHECKS,
        workdir.HISTORY,
        workdir.CHECKPOINTS,
        workdir.MODEL,
        workdir.RESULT,
        workdir.TENSORBOARD,
        workdir.LOG,
        workdir.LEDGER,
        workdir.SPLIT,
        workdir.TEST_LOOKS,
        "evaluation_validation.json",
        "evaluation_test.json",
        "predictions_test.csv",
    ):
        assert (directory / name).exists(), name
    for key in (
        "class_names",
        "num_parameters",
        "trainable_parameters",
        "val/top_1_accuracy",
        "val/loss",
        "test/top_1_accuracy",
        "test/loss",
        "test/num_examples",
        "seconds/total",
        "seconds/features",
        "seconds/linear_probe",
        "seconds/fine_tune",
        "best_phase",
        "best_epoch",
        "versions",
    ):
        assert key in result, key
    assert list((directory / workdir.TENSORBOARD).iterdir())
    rows = history_of(directory)
    assert [(r["phase"], r["epoch"]) for r in rows] == [
        ("linear_probe", "1"),
        ("fine_tune", "1"),
        ("fine_tune", "2"),
    ]
    assert list(rows[0]) == [
        "phase",
        "epoch",
        "step",
        "train/loss",
        "train/top_1_accuracy",
        "train/loss_noise",
        "val/loss",
        "val/top_1_accuracy",
        "learning_rate/head",
        "learning_rate/lower",
        "learning_rate/upper",
        "update_ratio/head",
        "update_ratio/lower",
        "update_ratio/upper",
        "seconds",
    ]
    assert rows[0]["learning_rate/head"] == ""
    assert float(rows[1]["learning_rate/head"]) == pytest.approx(
        10 * float(rows[1]["learning_rate/upper"])
    )
    probe = next(p for p in result["phases"] if p["phase"] == "linear_probe")
    assert result["val/top_1_accuracy"] >= probe["val/top_1_accuracy"]


def test_early_stopping_and_diverging_keep_the_best(brief_config, tmp_path):
    tune = brief_config.phases.fine_tune
    tune.optimizer = "sgd"
    tune.learning_rate = 1e6
    tune.schedule = "constant"
    result = train_and_evaluate(brief_config, tmp_path / "run")
    assert result["best_phase"] == "linear_probe"
    last = result["phases"][-1]
    assert "loss" in last["stopped"]
    probe = result["phases"][0]
    assert last["val/top_1_accuracy"] == probe["val/top_1_accuracy"]
    assert result["val/top_1_accuracy"] == probe["val/top_1_accuracy"]
    for value in weights_of(tmp_path / "run").values():
        assert np.isfinite(value).all()


def test_fine_tuning_starts_from_the_probe(brief_config, tmp_path):
    tune = brief_config.phases.fine_tune
    tune.epochs = 1
    tune.learning_rate = 1e-12
    tune.augment = False
    result = train_and_evaluate(brief_config, tmp_path / "run")
    probe, tuned = result["phases"]
    assert tuned["val/loss"] == pytest.approx(probe["val/loss"], abs=1e-4)
    assert not tuned["kept"]
    assert tuned["comparison"]["p_value"] == 1.0


def test_a_run_gives_its_backbone_to_the_next(finished, brief_config, tmp_path):
    directory, _, _ = finished
    brief_config.model.weights = str(directory)
    brief_config.phases.phase_order = ("linear_probe",)
    result = train_and_evaluate(brief_config, tmp_path / "second")
    assert result["val/top_1_accuracy"] > 0.7
    first, second = weights_of(directory), weights_of(tmp_path / "second")
    assert first.keys() == second.keys()
    for path, value in first.items():
        if not path.startswith("logits/"):
            np.testing.assert_array_equal(value, second[path], path)


def test_a_failed_check_stops_the_run(small_config, tmp_path, monkeypatch):
    import tlkeras.training.first_checks as first_checks
    from tlkeras.checks.result import CheckResult

    failed = CheckResult("planted", "fail", 1, 0, "Planted.")
    monkeypatch.setattr(first_checks, "check_split_leaks", lambda _: failed)
    with pytest.raises(GateError, match="check 'planted' failed"):
        train_and_evaluate(small_config, tmp_path / "run")
    assert (
        workdir.read_json(tmp_path / "run/checks.json")[0]["verdict"] == "fail"
    )
    small_config.checks.strict = False
    small_config.evaluation.test_at_end = False
    small_config.phases.fine_tune.epochs = 0
    train_and_evaluate(small_config, tmp_path / "lenient")


def test_the_log_names_what_trains_and_how(finished):
    directory, _, out = finished
    assert "BatchNormalization 'frozen'" in out
    assert "head" in out
    assert "adamw" in out
    log = (directory / workdir.LOG).read_text()
    assert "against linear_probe on validation" in log


def test_a_mistyped_layer_ends_the_run_before_the_first_phase(
    brief_config, tmp_path
):
    brief_config.phases.fine_tune.trainable_from = "stage9"
    with pytest.raises(InputError, match="'stage9' does not exist"):
        train_and_evaluate(brief_config, tmp_path / "run")
    assert not history_of(tmp_path / "run")
    brief_config.phases.fine_tune.trainable_from = "stage4"
    brief_config.phases.fine_tune.epochs = 0
    train_and_evaluate(brief_config, tmp_path / "run")


def test_a_diverged_first_phase_does_not_poison_the_next(
    brief_config, tmp_path
):
    probe = brief_config.phases.linear_probe
    probe.method = "fit"
    probe.optimizer = "sgd"
    probe.learning_rate = 1e6
    brief_config.phases.fine_tune.optimizer = "sgd"
    brief_config.phases.fine_tune.learning_rate = 1e-2
    result = train_and_evaluate(brief_config, tmp_path / "run")
    first, second = result["phases"]
    assert first["stopped"]
    assert not second["stopped"]
    assert np.isfinite(second["val/loss"])
