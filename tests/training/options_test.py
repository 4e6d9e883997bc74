"""What a config can ask of training: heads, labels, precision, the lectures."""

import csv

import pytest

from tlkeras import load_run, train_and_evaluate
from tlkeras.errors import InputError

from .finished_runs import history_of, weights_of


@pytest.mark.parametrize(
    "head", ["svm", pytest.param("mlp", marks=pytest.mark.slow)]
)
def test_other_heads_train(small_config, tmp_path, head):
    small_config.model.head = head
    if head == "mlp":  # needs richer codes
        small_config.model.features_from = ""
    small_config.checks.enabled = False
    small_config.evaluation.test_at_end = False
    small_config.phases.fine_tune.trainable_from = "stage4"
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
    small_config.checks.enabled = False
    small_config.phases.fine_tune.epochs = 1
    small_config.phases.fine_tune.trainable_from = "stage4"
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
    small_config.evaluation.test_at_end = False
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
    assert rates["learning_rate/stage4"] == pytest.approx(
        0.5 * rates["learning_rate/head"], rel=1e-3
    )
    assert rates["learning_rate/stage3"] == pytest.approx(
        0.25 * rates["learning_rate/head"], rel=1e-3
    )


@pytest.mark.parametrize(
    "precision",
    ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)],
)
def test_mixed_precision_trains(small_config, tmp_path, precision):
    small_config.runtime.precision = precision
    small_config.evaluation.test_at_end = False
    small_config.phases.fine_tune.epochs = 1
    small_config.phases.fine_tune.trainable_from = "stage4"
    result = train_and_evaluate(small_config, tmp_path / "run")
    assert result["val/top_1_accuracy"] > 0.7


def test_solving_after_adapting_statistics(small_config, tmp_path):
    small_config.checks.enabled = False
    small_config.evaluation.test_at_end = False
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
