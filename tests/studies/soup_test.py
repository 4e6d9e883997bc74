import json
import shutil

import keras
import numpy as np
import pytest

from tlkeras import make_soup
from tlkeras.errors import InputError
from tlkeras.evaluation.calibration import Calibration
from tlkeras.evaluation.run import load_run
from tlkeras.report.page import write_report
from tlkeras.studies.soup import answer
from tlkeras.training.trainer import train_and_evaluate

FIELDS = {
    "model.features_from": "conv_pw_3_relu",
    "phases.fine_tune.trainable_from": "conv_dw_2",
    # The statistics are those of the training images.
    "phases.linear_probe.batch_norm": "adapt",
    "evaluation.replace_p_value": 1.0,  # fine-tuning stays
    "checks.enabled": False,
    "report.enabled": False,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, make_small_config):
    """Two runs that differ in their seed, and so in their upper layers."""
    root = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        config = make_small_config({**FIELDS, "seed": seed})
        train_and_evaluate(config, root / f"seed{seed}")
    return [root / "seed0", root / "seed1"]


@pytest.fixture(scope="module")
def soup(runs):
    """The soup of both runs, as a directory, and its record."""
    directory = runs[0].parent / "soup"
    return directory, make_soup(runs, directory)


@pytest.fixture
def copy_with(tmp_path):
    """Returns what copies a run under a name and edits its JSON files."""

    def copy(run, name, **edits):
        shutil.copytree(run, tmp_path / name)
        for file, edit in edits.items():
            path = tmp_path / name / f"{file}.json"
            values = json.loads(path.read_text())
            edit(values)
            path.write_text(json.dumps(values))
        return tmp_path / name

    return copy


@pytest.fixture
def change(copy_with):
    """Returns what copies a run and changes its weights."""

    def change(run, name, changed, **edits):
        directory = copy_with(run, name, **edits)
        model = load_run(run).model
        for weight in model.weights:
            weight.assign(changed(weight))
        model.save(directory / "model.keras")
        return directory

    return change


def seed(number):
    return {"config": lambda config: config.update(seed=number)}


def weights_of(directory):
    return [np.array(w) for w in load_run(directory).model.weights]


def test_a_soup_of_one_run_is_that_run(tmp_path, runs):
    record = make_soup(runs[:1], tmp_path / "soup")
    for ours, theirs in zip(
        weights_of(tmp_path / "soup"), weights_of(runs[0]), strict=True
    ):
        assert np.array_equal(ours, theirs)
    assert load_run(tmp_path / "soup").config == load_run(runs[0]).config
    assert record.num_averaged == 1
    assert record.against_best.interval == (0, 0)
    name = "predictions_validation.csv"
    again = tmp_path / "again"
    make_soup(runs[:1], again)
    assert (again / name).read_text() == (tmp_path / "soup" / name).read_text()


def trained_weights(directory):
    """Before the last layer was divided by the temperature."""
    run = load_run(directory)
    head = run.model.get_layer("logits")
    (temperature,) = run.calibration.temperature
    head.set_weights([w * temperature for w in head.get_weights()])
    return [np.array(w) for w in run.model.weights]


def test_a_soup_is_the_mean_of_the_weights_as_trained(soup, runs):
    directory, record = soup
    assert [row.seed for row in record.runs] == [0, 1]
    assert record.num_averaged == 2
    zero, one = map(trained_weights, runs)
    assert any(
        not np.array_equal(*pair) for pair in zip(zero, one, strict=True)
    )
    for ours, *theirs in zip(
        trained_weights(directory), zero, one, strict=True
    ):
        np.testing.assert_allclose(
            ours, np.mean(theirs, axis=0), rtol=1e-6, atol=1e-8
        )
    # Any command reads it, and says of it what the record says.
    found = load_run(directory).evaluate("validation")
    assert found["top_1_accuracy"] == record.metrics["top_1_accuracy"]
    page = write_report(directory).read_text()
    assert "Averaged runs" in page
    assert str(runs[1]) in page


def test_members_are_averaged_as_they_were_trained(
    tmp_path, runs, soup, change
):
    def halve_logits(weight):
        return weight / 2 if weight.path.startswith("logits") else weight

    calibration = Calibration((2.0,), num_images=11).as_dict()
    calibrated = change(
        runs[1],
        "calibrated",
        halve_logits,
        result=lambda result: result.update(calibration=calibration),
    )
    make_soup([runs[0], calibrated], tmp_path / "soup")
    for ours, theirs in zip(
        trained_weights(tmp_path / "soup"),
        trained_weights(soup[0]),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)


def test_statistics_that_differ_are_computed_from_the_training_images(
    tmp_path, runs, change
):
    def disturb(weight):
        return weight * (1.05 if "moving" in weight.path else 1)

    record = make_soup(
        [runs[0], change(runs[1], "disturbed", disturb)], tmp_path / "soup"
    )
    assert record.num_averaged == 2
    soup = load_run(tmp_path / "soup")
    # Through the input contract, up to the first normalisation.
    batches = soup.batches(soup.load_dataset("train").splits["train"])
    values = np.concatenate(list(batches))
    *contract, backbone = soup.model.layers[1:3]
    for layer in contract:
        values = layer(values.astype(np.float32))
    first = backbone.get_layer("conv1_bn")
    values = np.array(keras.Model(backbone.inputs, first.input)(values))
    for statistic, expected in (
        (first.moving_mean, values.mean((0, 1, 2))),
        (first.moving_variance, values.var((0, 1, 2))),
    ):
        np.testing.assert_allclose(
            np.array(statistic), expected, rtol=0.1, atol=1e-3
        )


def test_a_run_that_harms_stays_out(tmp_path, runs, soup, change):
    def answer_the_other_class(weight):
        return -20 * weight if weight.path.startswith("logits") else weight

    harmful = change(runs[1], "harmful", answer_the_other_class, **seed(7))
    record = make_soup([*runs, harmful], tmp_path / "soup")
    assert [row.is_in for row in record.runs] == [True, True, False]
    assert record.runs[2].comparison.difference < 0
    directory, without = soup
    assert record.metrics == without.metrics
    for ours, theirs in zip(
        weights_of(tmp_path / "soup"),
        weights_of(directory),
        strict=True,
    ):
        assert np.array_equal(ours, theirs)


def test_the_same_soup_again_is_read(soup, runs):
    directory, record = soup
    stamp = (directory / "model.keras").stat().st_mtime_ns
    assert make_soup(runs, directory) == record
    assert (directory / "model.keras").stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match="holds another run or soup"):
        make_soup(runs[:1], directory)


def test_runs_that_cannot_be_averaged_are_refused(tmp_path, runs, copy_with):
    def refuse(match, *directories):
        with pytest.raises(InputError, match=match):
            make_soup(directories, tmp_path / "soup")
        assert not (tmp_path / "soup").exists()

    def raise_rate(config):
        config["phases"]["fine_tune"]["learning_rate"] = 3e-4

    refuse(
        "phases.fine_tune.learning_rate is 0.0003",
        runs[0],
        copy_with(runs[1], "rate", config=raise_rate),
    )
    refuse("have both seed 0", runs[0], runs[0])
    refuse("is no run directory", tmp_path / "absent")
    refuse("No run is given")
    with pytest.raises(InputError, match="is one of the runs"):
        make_soup(runs, runs[0])


def test_runs_that_began_elsewhere_are_refused(tmp_path, runs, copy_with):
    def as_fitted(result):
        del result["phases"][0]["l2"]

    fitted = [copy_with(r, f"fit{r.name}", result=as_fitted) for r in runs]
    with pytest.raises(InputError, match="heads began with random weights"):
        make_soup(fitted, tmp_path / "soup")
    elsewhere = copy_with(runs[1], "elsewhere")
    with np.load(elsewhere / "filters.npz") as kernels:
        changed = {"before": kernels["before"] + 1, "after": kernels["after"]}
    np.savez(elsewhere / "filters.npz", **changed)
    with pytest.raises(InputError, match="began with other weights"):
        make_soup([runs[0], elsewhere], tmp_path / "soup")
    moved = copy_with(runs[1], "moved")
    text = (moved / "split.csv").read_text()
    assert ",validation," in text
    (moved / "split.csv").write_text(text.replace(",validation,", ",train,", 1))
    with pytest.raises(InputError, match="divided in other ways"):
        make_soup([runs[0], moved], tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


def test_answers_rank_by_the_metric_then_by_the_loss(runs):
    run = load_run(runs[0])
    answers = answer(run, run.load_dataset("validation"))
    assert answers.rank == (
        answers.metrics["top_1_accuracy"],
        -answers.metrics["loss"],
    )
