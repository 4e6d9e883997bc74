"""A finished run answers calibrated probabilities, whatever its head is."""

import csv
import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tlkeras import train_and_evaluate, workdir
from tlkeras.evaluation.calibration import calibrate_held_out, fit_calibration
from tlkeras.evaluation.run import Run, load_run
from tlkeras.optim.losses import compute_log_losses, compute_losses
from tlkeras.training.progress import RunProgress

from .finished_runs import assert_same_weights, weights_of

# Enough validation images to calibrate by, and answers far from sure enough.
FIELDS = {
    "data.split": (0.5, 0.25, 0.25),
    "phases.fine_tune.label_smoothing": 0.4,
    "phases.fine_tune.epochs": 1,
    "evaluation.replace_p_value": 1.0,
    "checks.enabled": False,
}


@pytest.fixture(scope="module")
def make_config(make_small_config, tmp_path_factory):
    """Returns what makes the config of a run on 300 digits."""
    digits = load_digits()
    folder = tmp_path_factory.mktemp("digits")
    for label in range(10):
        (folder / str(label)).mkdir()
        for row in np.flatnonzero(digits.target == label)[:30]:
            pixels = (digits.images[row] * 15).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{label}/{row}.png")

    def make(fields):
        return make_small_config(
            {"data.source": str(folder), **FIELDS, **fields}
        )

    return make


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


@dataclasses.dataclass(frozen=True)
class Finished:
    """A finished run, loaded once.

    Attributes:
        directory: Of the run.
        result: What training returned.
        run: Loaded from there.
        kept: Weights that the last phase to be kept ended with.
        splits: validation | test -> its images.
        trained: Likewise -> what the kept weights answer, undivided.
        answers: Likewise -> what the model answers.
    """

    directory: Path
    result: dict
    run: Run
    kept: list
    splits: dict
    trained: dict
    answers: dict


@pytest.fixture(scope="module")
def train(make_config, several_labels, tmp_path_factory):
    """Returns what trains with a head, once."""
    runs = {}

    def run(head):
        if head not in runs:
            config = make_config({"model.head": head})
            if head in ("svm", "multi_label"):  # solved is trained as well
                config.phases.phase_order = ("linear_probe",)
            if head == "multi_label":
                config.data.source = several_labels
            directory = tmp_path_factory.mktemp(head) / "run"
            runs[head] = look_at(
                directory, train_and_evaluate(config, directory)
            )
        return runs[head]

    return run


def look_at(directory, result):
    run = load_run(directory)
    kept = kept_weights(directory)
    splits = run.load_dataset("test").splits
    splits = {name: splits[name] for name in ("validation", "test")}
    answers = {name: run.compute_logits(s) for name, s in splits.items()}
    calibrated = run.model.get_weights()
    run.model.set_weights(kept)
    trained = {name: run.compute_logits(s) for name, s in splits.items()}
    run.model.set_weights(calibrated)
    return Finished(directory, result, run, kept, splits, trained, answers)


def kept_weights(directory):
    """Returns the weights that the last phase to be kept ended with."""
    folder = directory / workdir.CHECKPOINTS
    with np.load(folder / workdir.STATE) as stored:
        progress, _ = RunProgress.from_json(stored["record"].tobytes())
    with np.load(folder / progress.kept.best.file) as stored:
        return [stored[f"weight:{row}"] for row in range(len(stored.files))]


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
    finished = train(head)
    temperature = np.array(finished.result["calibration"]["temperature"])
    shift = np.array(finished.result["calibration"]["shift"])
    assert (temperature != 1).any()
    assert len(temperature) == (3 if head == "multi_label" else 1)
    assert bool(shift.any()) == (head == "multi_label")
    for weight, before in zip(
        finished.run.model.weights, finished.kept, strict=True
    ):
        value = keras.ops.convert_to_numpy(weight)
        if weight.path == "logits/kernel":
            np.testing.assert_allclose(value, before / temperature, rtol=1e-6)
        elif weight.path == "logits/bias":
            moved = before / temperature + shift
            np.testing.assert_allclose(value, moved, rtol=1e-6, atol=1e-7)
        else:
            np.testing.assert_array_equal(value, before)


@pytest.mark.parametrize("head", ["linear", "svm", "multi_label"])
def test_the_temperature_is_that_of_the_validation_images(train, head):
    finished = train(head)
    result, loss = finished.result, finished.run.loss
    targets = finished.splits["validation"].targets
    trained = finished.trained["validation"]
    found = fit_calibration(targets, trained, loss)
    assert result["calibration"]["temperature"] == pytest.approx(
        found.temperature, rel=1e-3
    )
    assert result["calibration"]["num_images"] == len(targets)
    figure = result["val/calibration"]["log_loss"]
    held_out = calibrate_held_out(targets, trained, loss)
    for name, logits in (("before", trained), ("after", held_out)):
        losses = compute_log_losses(targets, logits, loss)
        assert figure[name] == pytest.approx(losses.mean(), abs=1e-4)


@pytest.mark.parametrize("head", ["linear", "svm", "multi_label"])
def test_the_test_images_are_measured_as_the_model_answers(train, head):
    finished = train(head)
    targets = finished.splits["test"].targets
    figure = finished.result["test/calibration"]["log_loss"]
    for name, logits in (
        ("before", finished.trained["test"]),
        ("after", finished.answers["test"]),
    ):
        losses = compute_log_losses(targets, logits, finished.run.loss)
        assert figure[name] == pytest.approx(losses.mean(), abs=1e-4)


@pytest.mark.parametrize("head", ["linear", "svm", "multi_label"])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluating_again_gives_the_same_figures(train, head, split):
    finished = train(head)
    path = finished.directory / workdir.evaluation_name(split)
    before = workdir.read_json(path)
    after = finished.run.evaluate(split)
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
    finished = train("svm")
    result, loss = finished.result, finished.run.loss
    targets, margins = finished.splits["test"].targets, finished.trained["test"]
    hinge = compute_losses(targets, margins, loss).mean()
    assert result["test/loss"] == pytest.approx(hinge, rel=1e-4)
    log_loss = compute_log_losses(targets, margins, loss).mean()
    figure = result["test/calibration"]["log_loss"]
    assert figure["before"] == pytest.approx(log_loss, rel=1e-4)
    assert hinge != pytest.approx(log_loss, rel=0.01)


def test_what_a_file_is_answered_is_what_the_log_loss_is_of(train):
    finished = train("linear")
    result, examples = finished.result, finished.splits["test"]
    answers = finished.run.predict(examples.paths)
    scores = np.array([answer.probabilities for answer in answers])
    right = scores[np.arange(len(scores)), examples.targets.argmax(-1)]
    assert result["test/loss"] == pytest.approx(-np.log(right).mean(), rel=1e-3)
    assert result["test/loss"] == pytest.approx(
        result["test/calibration"]["log_loss"]["after"], rel=1e-6
    )


def test_without_calibration_only_the_sureness_differs(
    train, make_config, tmp_path
):
    finished = train("linear")
    result = finished.result
    config = make_config({"evaluation.calibrate": False})
    plain = train_and_evaluate(config, tmp_path / "plain")
    assert "calibration" not in plain
    assert "val/calibration" not in plain
    for name in ("val/top_1_accuracy", "test/top_1_accuracy"):
        assert plain[name] == result[name]
    figure = result["test/calibration"]["log_loss"]
    assert plain["test/loss"] == pytest.approx(figure["before"], abs=1e-5)
    for value, before in zip(
        weights_of(tmp_path / "plain").values(),
        finished.kept,
        strict=True,
    ):
        np.testing.assert_array_equal(value, before)


@pytest.mark.slow
def test_without_a_cache_it_is_the_same(train, make_config, tmp_path):
    finished = train("linear")
    config = make_config({"features.cache": "off"})
    live = train_and_evaluate(config, tmp_path / "live")
    for name in ("calibration", "val/calibration", "test/calibration"):
        assert live[name] == finished.result[name]
    assert_same_weights(finished.directory, tmp_path / "live")


def test_one_validation_image_a_class_is_too_few(small_config, tmp_path):
    small_config.phases.phase_order = ("linear_probe",)
    small_config.checks.enabled = False
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
