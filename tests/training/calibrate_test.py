"""A finished run answers calibrated probabilities, whatever its head is."""

import csv
import dataclasses

import keras
import numpy as np
import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.evaluation.calibration import calibrate_held_out, fit_calibration
from tlkeras.evaluation.run import load_run
from tlkeras.optim.losses import compute_log_losses, compute_losses
from tlkeras.training.progress import RunProgress

from .finished_runs import assert_same_weights, weights_of

# Enough validation images to calibrate by, and answers far from sure enough.
FIELDS = {
    "data.source": "digits",
    "data.images_per_class": 40,
    "data.split": (0.5, 0.25, 0.25),
    "phases.fine_tune.label_smoothing": 0.4,
    "evaluation.replace_p_value": 1.0,
}


@pytest.fixture(scope="module")
def several_labels(tmp_path_factory, photo_folder):
    """A manifest where every third photo carries a second label."""
    path = tmp_path_factory.mktemp("manifest") / "photos.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label"))
        for number, photo in enumerate(sorted(photo_folder.glob("*/*.jpg"))):
            more = "|third" if number % 3 == 0 else ""
            writer.writerow((photo, photo.parent.name + more))
    return str(path)


@pytest.fixture(scope="module")
def train(make_small_config, several_labels, tmp_path_factory):
    """Returns what trains with a head, once: its directory and its result."""
    runs = {}

    def run(head):
        if head not in runs:
            config = make_small_config({**FIELDS, "model.head": head})
            if head == "svm":  # no label smoothing of margins
                config.phases.phase_order = ("linear_probe",)
            if head == "multi_label":
                config.data.source = several_labels
            directory = tmp_path_factory.mktemp(head) / "run"
            runs[head] = directory, train_and_evaluate(config, directory)
        return runs[head]

    return run


def kept_weights(directory):
    """Returns the weights that the last phase to be kept ended with."""
    folder = directory / workdir.CHECKPOINTS
    with np.load(folder / workdir.STATE) as stored:
        progress, _ = RunProgress.from_json(stored["record"].tobytes())
    with np.load(folder / progress.kept.best.file) as stored:
        return [stored[f"weight:{row}"] for row in range(len(stored.files))]


def trained_logits(run, split):
    """Returns targets and what the kept weights answer, undivided."""
    model = keras.saving.load_model(run.directory / workdir.MODEL)
    model.set_weights(kept_weights(run.directory))
    examples = run.load_dataset(split).splits[split]
    undivided = dataclasses.replace(run, model=model)
    return examples.targets, undivided.compute_logits(examples)


@pytest.mark.parametrize(
    "head",
    [
        "linear",
        pytest.param("mlp", marks=pytest.mark.slow),
        "svm",
        "multi_label",
    ],
)
def test_the_last_layer_alone_is_divided_and_once(train, head):
    directory, result = train(head)
    temperature = np.array(result["calibration"]["temperature"])
    shift = np.array(result["calibration"]["shift"])
    assert (temperature != 1).any()
    assert len(temperature) == (3 if head == "multi_label" else 1)
    assert bool(shift.any()) == (head == "multi_label")
    kept = kept_weights(directory)
    for (path, value), before in zip(
        weights_of(directory).items(), kept, strict=True
    ):
        if path == "logits/kernel":
            np.testing.assert_allclose(value, before / temperature, rtol=1e-6)
        elif path == "logits/bias":
            moved = before / temperature + shift
            np.testing.assert_allclose(value, moved, rtol=1e-6, atol=1e-7)
        else:
            np.testing.assert_array_equal(value, before)


@pytest.mark.parametrize("head", ["linear", "svm", "multi_label"])
def test_the_temperature_is_that_of_the_validation_images(train, head):
    directory, result = train(head)
    run = load_run(directory)
    targets, trained = trained_logits(run, "validation")
    found = fit_calibration(targets, trained, run.loss)
    assert result["calibration"]["temperature"] == pytest.approx(
        found.temperature, rel=1e-3
    )
    assert result["calibration"]["num_images"] == len(targets)
    figure = result["val/calibration"]["log_loss"]
    held_out = calibrate_held_out(targets, trained, run.loss)
    for name, logits in (("before", trained), ("after", held_out)):
        losses = compute_log_losses(targets, logits, run.loss)
        assert figure[name] == pytest.approx(losses.mean(), abs=1e-4)


@pytest.mark.parametrize("head", ["linear", "svm", "multi_label"])
def test_the_test_images_are_measured_as_the_model_answers(train, head):
    directory, result = train(head)
    run = load_run(directory)
    targets, trained = trained_logits(run, "test")
    examples = run.load_dataset("test").splits["test"]
    figure = result["test/calibration"]["log_loss"]
    for name, logits in (
        ("before", trained),
        ("after", run.compute_logits(examples)),
    ):
        losses = compute_log_losses(targets, logits, run.loss)
        assert figure[name] == pytest.approx(losses.mean(), abs=1e-4)


@pytest.mark.parametrize("head", ["linear", "svm", "multi_label"])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluating_again_gives_the_same_figures(train, head, split):
    directory, _ = train(head)
    path = directory / workdir.evaluation_name(split)
    before = workdir.read_json(path)
    after = load_run(directory).evaluate(split)
    for figures in (before, after):
        gain = figures.pop("calibration")
        for name in ("log_loss", "expected_calibration_error"):
            figures[name] = gain[name]["before"], gain[name]["after"]
        figures.pop("per_class")
        figures.pop("confusion_matrix", None)
    assert after.keys() == before.keys()
    for name, value in before.items():
        assert after[name] == pytest.approx(value, abs=1e-4), name


def test_the_loss_of_an_svm_is_that_of_its_margins(train):
    directory, result = train("svm")
    run = load_run(directory)
    targets, margins = trained_logits(run, "test")
    hinge = compute_losses(targets, margins, run.loss).mean()
    assert result["test/loss"] == pytest.approx(hinge, rel=1e-4)
    log_loss = compute_log_losses(targets, margins, run.loss).mean()
    figure = result["test/calibration"]["log_loss"]
    assert figure["before"] == pytest.approx(log_loss, rel=1e-4)
    assert hinge != pytest.approx(log_loss, rel=0.01)


def test_what_a_file_is_answered_is_what_the_log_loss_is_of(train):
    directory, result = train("linear")
    run = load_run(directory)
    examples = run.load_dataset("test").splits["test"]
    scores = np.array([p.probabilities for p in run.predict(examples.paths)])
    right = scores[np.arange(len(scores)), examples.targets.argmax(-1)]
    assert result["test/loss"] == pytest.approx(-np.log(right).mean(), rel=1e-3)
    assert result["test/loss"] == pytest.approx(
        result["test/calibration"]["log_loss"]["after"], rel=1e-6
    )


def test_without_calibration_only_the_sureness_differs(
    train, make_small_config, tmp_path
):
    directory, result = train("linear")
    config = make_small_config({**FIELDS, "evaluation.calibrate": False})
    plain = train_and_evaluate(config, tmp_path / "plain")
    assert "calibration" not in plain
    assert "val/calibration" not in plain
    for name in ("val/top_1_accuracy", "test/top_1_accuracy"):
        assert plain[name] == result[name]
    figure = result["test/calibration"]["log_loss"]
    assert plain["test/loss"] == pytest.approx(figure["before"], abs=1e-5)
    for value, before in zip(
        weights_of(tmp_path / "plain").values(),
        kept_weights(directory),
        strict=True,
    ):
        np.testing.assert_array_equal(value, before)


@pytest.mark.slow
def test_without_a_cache_it_is_the_same(train, make_small_config, tmp_path):
    directory, result = train("linear")
    config = make_small_config({**FIELDS, "features.cache": "off"})
    live = train_and_evaluate(config, tmp_path / "live")
    for name in ("calibration", "val/calibration", "test/calibration"):
        assert live[name] == result[name]
    assert_same_weights(directory, tmp_path / "live")


def test_one_validation_image_a_class_is_too_few(small_config, tmp_path):
    small_config.phases.fine_tune.epochs = 0
    small_config.data.split = (0.9, 0.01, 0.09)
    result = train_and_evaluate(small_config, tmp_path / "run")
    assert result["val/num_examples"] < 4
    calibration = result["calibration"]
    assert calibration["temperature"] == [1.0]
    assert "expected at least 2 a class" in calibration["reason"]
    assert "val/calibration" not in result
    log = (tmp_path / "run" / workdir.LOG).read_text()
    assert f"temperature left at 1: {calibration['reason']}" in log
    for value, before in zip(
        weights_of(tmp_path / "run").values(),
        kept_weights(tmp_path / "run"),
        strict=True,
    ):
        np.testing.assert_array_equal(value, before)
