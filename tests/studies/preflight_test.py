import shutil

import numpy as np
import pytest

import tlkeras.studies.overfit_checks as overfit_checks
import tlkeras.training.start as start
from tlkeras import workdir
from tlkeras.config.run_directory import read_config
from tlkeras.data.dataset import Split
from tlkeras.errors import InputError
from tlkeras.studies.overfit_checks import few_images
from tlkeras.studies.preflight import run_preflight
from tlkeras.training.trainer import train_and_evaluate

NAMES = [
    "split_leaks",
    "near_duplicates",
    "class_counts",
    "input_contract",
    "initial_loss",
    "regularization",
    "label_signal",
    "shuffled_labels",
    "near_duplicates_by_codes",
    "neighbouring_names",
    "suspect_labels",
    "frozen_variables/fine_tune",
    "batch_norm/fine_tune",
    "gradient/fine_tune",
    "update_ratios/fine_tune",
    "overfit_20/fine_tune",
    "overfit_20_own_optimizer/fine_tune",
]


@pytest.fixture(scope="module")
def make_config(make_small_config):
    """Returns what makes the config of a few blocks."""
    return lambda: make_small_config(
        {
            "model.features_from": "conv_pw_3_relu",
            "phases.fine_tune.epochs": 1,
            "phases.fine_tune.trainable_from": "conv_dw_2",
            "report.enabled": False,
        }
    )


@pytest.fixture
def small_config(make_config):
    return make_config()


@pytest.fixture(scope="module")
def checked(make_config, tmp_path_factory):
    """A directory that was checked before any training, and the results."""
    directory = tmp_path_factory.mktemp("checked") / "run"
    return directory, run_preflight(make_config(), directory)


def judge(results):
    """Check -> verdict, without those on images that are as they are.

    They are random parts of two photos, some nearly the same. The narrow
    network's probe errs on some, so that a few right labels are in doubt.
    """
    verdicts = {r.name: r.verdict for r in results}
    assert verdicts.pop("near_duplicates_by_codes") == "fail"
    if verdicts["suspect_labels"] == "warn":
        del verdicts["suspect_labels"]
    return verdicts


def test_a_clean_run_passes_everything_and_then_trains(
    small_config, tmp_path, checked
):
    directory, results = checked
    shutil.copytree(directory, tmp_path / "run")
    assert [r.name for r in results] == NAMES
    assert set(judge(results).values()) == {"pass"}, results
    doubts = workdir.read_table(tmp_path / "run/suspect_labels.csv")
    assert len(doubts) < 16  # of 64 labels
    written = workdir.read_json(tmp_path / "run/checks.json")
    assert [row["name"] for row in written] == NAMES
    assert all(row["seconds"] >= 0 for row in written)
    result = train_and_evaluate(small_config, tmp_path / "run")
    alone = train_and_evaluate(small_config, tmp_path / "alone")
    assert result["val/loss"] == alone["val/loss"]
    kept = workdir.read_json(tmp_path / "run/checks.json")
    assert {row["name"] for row in kept} == set(NAMES)
    # A finished run can be checked as well, and stays what it is.
    again = run_preflight(read_config(tmp_path / "run"), tmp_path / "run")
    assert set(judge(again).values()) == {"pass"}
    stored = workdir.read_json(tmp_path / "run/result.json")
    assert stored["phases"][1]["val/loss"] == result["phases"][1]["val/loss"]
    assert train_and_evaluate(small_config, tmp_path / "run") == stored


def test_checks_of_another_config_are_dropped(small_config, tmp_path, checked):
    shutil.copytree(checked[0], tmp_path / "run")
    small_config.phases.fine_tune.epochs = 0
    train_and_evaluate(small_config, tmp_path / "run")
    names = {r["name"] for r in workdir.read_json(tmp_path / "run/checks.json")}
    assert "overfit_20/fine_tune" not in names
    assert "initial_loss" in names


def test_shuffled_labels_in_the_data_are_caught(
    small_config, tmp_path, monkeypatch
):
    right = start.load_data

    def shuffled(*arguments):
        dataset = right(*arguments)
        train = dataset.splits["train"]
        order = np.random.default_rng(3).permutation(len(train))
        dataset.splits["train"] = Split(
            train.paths, train.targets[order], train.digests, train.hashes
        )
        return dataset

    monkeypatch.setattr(start, "load_data", shuffled)
    small_config.phases.fine_tune.epochs = 0
    results = run_preflight(small_config, tmp_path / "run")
    verdicts = judge(results)
    assert verdicts.pop("label_signal") == "fail"
    verdicts.pop("suspect_labels", None)
    assert set(verdicts.values()) == {"pass"}


def test_what_cannot_learn_by_heart_is_caught(
    small_config, tmp_path, monkeypatch
):
    small_config.phases.fine_tune.learning_rate = 1e-9
    few = overfit_checks.overfit

    def stuck(model, inputs, targets, **settings):
        # Half of the images twice, once under each label.
        inputs[10:] = inputs[:10]
        targets = np.concatenate([targets[:10], 1 - targets[:10]])
        return few(model, inputs, targets, max_epochs=20, **settings)

    monkeypatch.setattr(overfit_checks, "overfit", stuck)
    results = run_preflight(small_config, tmp_path / "run")
    verdicts = judge(results)
    assert verdicts.pop("overfit_20/fine_tune") == "fail"
    assert verdicts.pop("overfit_20_own_optimizer/fine_tune") == "warn"
    assert verdicts.pop("update_ratios/fine_tune") == "warn"
    assert set(verdicts.values()) == {"pass"}


@pytest.mark.slow
@pytest.mark.parametrize("head", ["svm", "mlp"])
def test_other_heads_pass(head, small_config, tmp_path):
    small_config.model.head = head
    small_config.phases.fine_tune.trainable_from = "all"
    small_config.phases.fine_tune.learning_rate = "auto"
    results = run_preflight(small_config, tmp_path / "run")
    assert set(judge(results).values()) <= {"pass", "skip"}


def test_several_labels_pass(small_config, tmp_path, photo_folder):
    files = sorted(photo_folder.rglob("*.jpg"))
    rows = ["path,label"]
    for number, file in enumerate(files):
        extra = "|bright" if number % 3 == 0 else ""
        rows.append(f"{file},{file.parent.name}{extra}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    small_config.data.source = str(tmp_path / "labels.csv")
    small_config.model.head = "multi_label"
    small_config.model.features_from = "conv_pw_6_relu"
    small_config.phases.linear_probe.method = "fit"
    small_config.phases.fine_tune.epochs = 0
    results = run_preflight(small_config, tmp_path / "run")
    assert "fail" not in judge(results).values()


def test_changed_data_does_not_touch_a_finished_run(
    small_config, tmp_path, photo_folder
):
    shutil.copytree(photo_folder, tmp_path / "photos")
    small_config.data.source = str(tmp_path / "photos")
    small_config.phases.fine_tune.epochs = 0
    train_and_evaluate(small_config, tmp_path / "run")
    before = (tmp_path / "run/split.csv").read_bytes()
    (tmp_path / "photos/china/00.jpg").unlink()
    with pytest.raises(InputError, match="The data has changed"):
        run_preflight(small_config, tmp_path / "run")
    assert (tmp_path / "run/split.csv").read_bytes() == before


def test_few_images_are_spread_over_the_classes():
    targets = np.eye(3, dtype=np.float32)[[0] * 50 + [1] * 4 + [2] * 2]
    names = tuple(map(str, range(56)))
    few = few_images(Split(names, targets, names), 9, seed=0)
    assert few.targets.sum(0).tolist() == [4, 3, 2]
    assert len(few_images(few, 20, seed=0)) == 9
