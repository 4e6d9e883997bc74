"""The main job, in process, on a small real network and real JPEGs."""

import csv

import keras
import numpy as np
import pytest

from tlkeras import load_run, train_and_evaluate, workdir
from tlkeras.console import Console
from tlkeras.errors import GateError, InputError
from tlkeras.training.phases import read_phases, resolve_method


def weights_of(directory):
    model = keras.saving.load_model(directory / workdir.MODEL, compile=False)
    return {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}


def assert_same_weights(first, second):
    a, b = weights_of(first), weights_of(second)
    assert a.keys() == b.keys()
    for path, value in a.items():
        np.testing.assert_array_equal(value, b[path], path)


def history_of(directory):
    return workdir.read_table(directory / workdir.HISTORY)


def test_a_run_writes_the_whole_directory(small_config, tmp_path):
    directory = tmp_path / "run"
    result = train_and_evaluate(small_config, directory)
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


def test_a_finished_run_is_only_read(small_config, tmp_path):
    small_config.phases.fine_tune.epochs = 0
    first = train_and_evaluate(small_config, tmp_path / "run")
    stamp = (tmp_path / "run" / workdir.MODEL).stat().st_mtime_ns
    assert train_and_evaluate(small_config, tmp_path / "run") == first
    assert (tmp_path / "run" / workdir.MODEL).stat().st_mtime_ns == stamp
    looks = workdir.read_json(tmp_path / "run" / workdir.TEST_LOOKS)
    assert looks["count"] == 1


def test_another_config_is_refused(small_config, tmp_path):
    small_config.phases.fine_tune.epochs = 0
    train_and_evaluate(small_config, tmp_path / "run")
    small_config.seed = 5
    with pytest.raises(InputError, match="seed was 0 and is 5"):
        train_and_evaluate(small_config, tmp_path / "run")


class Interrupted(BaseException):
    """Stands for a kill between two epochs."""


def interrupt_at(monkeypatch, phase, epoch):
    """Lets the run die after the row of an epoch, before its commit."""
    from tlkeras.training.history import History

    original = History.add

    def add(self, row):
        original(self, row)
        if (row["phase"], row["epoch"]) == (phase, epoch):
            raise Interrupted

    monkeypatch.setattr(History, "add", add)


@pytest.fixture
def two_fits(small_config):
    """A fitted head, then fine-tuning with everything that has state."""
    probe = small_config.phases.linear_probe
    probe.method = "fit"
    probe.epochs = 3
    probe.augment = True
    probe.batch_size = 16
    probe.reduce_on_plateau_patience = 1
    tune = small_config.phases.fine_tune
    tune.epochs = 3
    tune.early_stopping_patience = 2
    tune.batch_norm = "adapt"
    # Keep whatever comes last, so that the comparison covers both phases.
    small_config.evaluation.replace_p_value = 1.0
    return small_config


@pytest.fixture
def uninterrupted(two_fits, tmp_path):
    train_and_evaluate(two_fits, tmp_path / "whole")
    return tmp_path / "whole"


@pytest.mark.parametrize(
    ("phase", "epoch"),
    [("linear_probe", 2), ("fine_tune", 1), ("fine_tune", 3)],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    two_fits, tmp_path, uninterrupted, monkeypatch, phase, epoch
):
    with monkeypatch.context() as patch:
        interrupt_at(patch, phase, epoch)
        with pytest.raises(Interrupted):
            train_and_evaluate(two_fits, tmp_path / "cut")
    train_and_evaluate(two_fits, tmp_path / "cut")
    assert_same_weights(uninterrupted, tmp_path / "cut")
    for name in (workdir.CODES, workdir.FILTERS):
        with (
            np.load(uninterrupted / name) as theirs,
            np.load(tmp_path / "cut" / name) as mine,
        ):
            assert theirs.files == mine.files
            for key in theirs.files:
                np.testing.assert_array_equal(theirs[key], mine[key])

    def comparable(directory):
        return [
            {k: v for k, v in row.items() if k != "seconds"}
            for row in history_of(directory)
        ]

    assert comparable(uninterrupted) == comparable(tmp_path / "cut")


def test_early_stopping_and_diverging_keep_the_best(small_config, tmp_path):
    tune = small_config.phases.fine_tune
    tune.optimizer = "sgd"
    tune.learning_rate = 1e6
    tune.schedule = "constant"
    result = train_and_evaluate(small_config, tmp_path / "run")
    assert result["best_phase"] == "linear_probe"
    last = result["phases"][-1]
    assert "loss" in last["stopped"]
    probe = result["phases"][0]
    assert last["val/top_1_accuracy"] == probe["val/top_1_accuracy"]
    assert result["val/top_1_accuracy"] == probe["val/top_1_accuracy"]
    for value in weights_of(tmp_path / "run").values():
        assert np.isfinite(value).all()


def test_fine_tuning_starts_from_the_probe(small_config, tmp_path):
    tune = small_config.phases.fine_tune
    tune.epochs = 1
    tune.learning_rate = 1e-12
    tune.augment = False
    result = train_and_evaluate(small_config, tmp_path / "run")
    probe, tuned = result["phases"]
    assert tuned["val/loss"] == pytest.approx(probe["val/loss"], abs=1e-4)
    assert not tuned["kept"]
    assert tuned["comparison"]["p_value"] == 1.0


@pytest.mark.parametrize("head", ["svm", "mlp"])
def test_other_heads_train(small_config, tmp_path, head):
    small_config.model.head = head
    small_config.phases.linear_probe.epochs = 30
    small_config.phases.fine_tune.epochs = 1
    result = train_and_evaluate(small_config, tmp_path / "run")
    assert result["val/top_1_accuracy"] > 0.7
    run = load_run(tmp_path / "run")
    evaluation = run.evaluate("validation")
    assert evaluation["top_1_accuracy"] == result["val/top_1_accuracy"]


def test_multi_label_trains_and_reports_mean_average_precision(
    small_config, tmp_path, photo_folder
):
    rows = []
    for number, path in enumerate(sorted(photo_folder.glob("*/*.jpg"))):
        label = path.parent.name + ("|even" if number % 2 == 0 else "")
        rows.append([path, label])
    with open(tmp_path / "m.csv", "w", newline="") as file:
        csv.writer(file).writerows([["path", "label"], *rows])
    small_config.data.source = str(tmp_path / "m.csv")
    small_config.model.head = "multi_label"
    small_config.phases.fine_tune.epochs = 1
    result = train_and_evaluate(small_config, tmp_path / "run")
    assert 0.5 < result["val/mean_average_precision"] <= 1.0
    assert "val/mean_average_precision" in history_of(tmp_path / "run")[0]
    assert "test/top_1_accuracy" not in result


def test_several_labels_need_a_multi_label_head(
    small_config, tmp_path, photo_folder
):
    path = next(photo_folder.glob("*/*.jpg"))
    lines = [f"{p},{p.parent.name}" for p in photo_folder.glob("*/*.jpg")]
    lines[0] = f"{path},china|flower"
    (tmp_path / "m.csv").write_text("\n".join(["path,label", *lines]))
    small_config.data.source = str(tmp_path / "m.csv")
    with pytest.raises(InputError, match=r"--config.model.head=multi_label"):
        train_and_evaluate(small_config, tmp_path / "run")


def test_the_lectures_options_train(small_config, tmp_path):
    """Mean image, balanced classes, MixUp, layer decay, clipping, max norm."""
    small_config.data.mean = "image"
    small_config.data.divide_by_std = True
    small_config.data.class_weighting = "balanced"
    small_config.data.augment.mixup_alpha = 0.2
    small_config.data.augment.randaugment_layers = 1
    small_config.model.head_max_norm = 3.0
    small_config.model.head_l2 = 1e-3
    tune = small_config.phases.fine_tune
    tune.layer_decay = 0.5
    tune.global_clipnorm = 1.0
    tune.schedule = "one_cycle"
    tune.batch_norm = "train"
    train_and_evaluate(small_config, tmp_path / "run")
    rates = {
        name: float(value)
        for name, value in history_of(tmp_path / "run")[1].items()
        if name.startswith("learning_rate/") and value
    }
    assert rates["learning_rate/stage5"] == pytest.approx(
        0.5 * rates["learning_rate/head"], rel=1e-3
    )
    assert rates["learning_rate/stage3"] == pytest.approx(
        0.125 * rates["learning_rate/head"], rel=1e-3
    )


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains(small_config, tmp_path, precision):
    small_config.runtime.precision = precision
    small_config.phases.fine_tune.epochs = 1
    try:
        result = train_and_evaluate(small_config, tmp_path / "run")
    finally:
        keras.config.set_dtype_policy("float32")
    assert result["val/top_1_accuracy"] > 0.7


def test_a_run_gives_its_backbone_to_the_next(small_config, tmp_path):
    small_config.phases.fine_tune.epochs = 1
    train_and_evaluate(small_config, tmp_path / "first")
    small_config.model.weights = str(tmp_path / "first")
    result = train_and_evaluate(small_config, tmp_path / "second")
    assert result["val/top_1_accuracy"] > 0.7


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
    small_config.phases.fine_tune.epochs = 0
    train_and_evaluate(small_config, tmp_path / "lenient")


def test_solving_is_refused_where_it_cannot_be_done(
    small_config, small_classifier
):
    probe = small_config.phases.linear_probe
    probe.method = "solve"
    probe.augment = True
    (phase, _) = read_phases(small_config.phases)
    with pytest.raises(InputError, match="because the phase augments images"):
        resolve_method(phase, small_classifier)
    probe.augment = False
    probe.trainable_from = "stage5"
    (phase, _) = read_phases(small_config.phases)
    with pytest.raises(InputError, match="because the backbone trains from"):
        resolve_method(phase, small_classifier)


def test_the_log_names_what_trains_and_how(small_config, tmp_path, capsys):
    small_config.phases.fine_tune.epochs = 1
    train_and_evaluate(small_config, tmp_path / "run", console=Console())
    out = capsys.readouterr().out
    assert "BatchNormalization 'frozen'" in out
    assert "head" in out
    assert "adamw" in out
    log = (tmp_path / "run" / workdir.LOG).read_text()
    assert "against linear_probe on validation" in log


def test_changed_data_is_refused_by_an_unfinished_run(
    two_fits, tmp_path, photo_folder, monkeypatch
):
    import shutil

    shutil.copytree(photo_folder, tmp_path / "photos")
    two_fits.data.source = str(tmp_path / "photos")
    with monkeypatch.context() as patch:
        interrupt_at(patch, "linear_probe", 2)
        with pytest.raises(Interrupted):
            train_and_evaluate(two_fits, tmp_path / "cut")
    (tmp_path / "photos" / "china" / "03.jpg").unlink()
    with pytest.raises(InputError, match="The data has changed since the run"):
        train_and_evaluate(two_fits, tmp_path / "cut")


def test_a_mistyped_layer_ends_the_run_before_the_first_phase(
    small_config, tmp_path
):
    small_config.phases.fine_tune.trainable_from = "stage9"
    with pytest.raises(InputError, match="'stage9' does not exist"):
        train_and_evaluate(small_config, tmp_path / "run")
    assert not history_of(tmp_path / "run")
    small_config.phases.fine_tune.trainable_from = "stage5"
    train_and_evaluate(small_config, tmp_path / "run")


def test_a_diverged_first_phase_does_not_poison_the_next(
    small_config, tmp_path
):
    probe = small_config.phases.linear_probe
    probe.method = "fit"
    probe.optimizer = "sgd"
    probe.learning_rate = 1e30
    small_config.phases.fine_tune.optimizer = "sgd"
    small_config.phases.fine_tune.learning_rate = 1e-2
    result = train_and_evaluate(small_config, tmp_path / "run")
    first, second = result["phases"]
    assert first["stopped"]
    assert not second["stopped"]
    assert np.isfinite(second["val/loss"])


def test_solving_after_adapting_statistics(small_config, tmp_path):
    small_config.phases.linear_probe.batch_norm = "adapt"
    small_config.phases.fine_tune.epochs = 0
    train_and_evaluate(small_config, tmp_path / "run")
    statistics = [
        value
        for path, value in weights_of(tmp_path / "run").items()
        if "moving_mean" in path
    ]
    small_config.phases.linear_probe.batch_norm = "frozen"
    train_and_evaluate(small_config, tmp_path / "plain")
    plain = [
        value
        for path, value in weights_of(tmp_path / "plain").items()
        if "moving_mean" in path
    ]
    assert any((a != b).any() for a, b in zip(statistics, plain, strict=True))
