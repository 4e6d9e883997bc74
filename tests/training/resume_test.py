"""Going on where a run stopped: the same bits, or a refusal."""

import shutil

import numpy as np
import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.errors import InputError
from tlkeras.training.history import History

from .finished_runs import assert_same_weights, history_of


@pytest.fixture(scope="module")
def solved(make_small_config, tmp_path_factory):
    """A finished run: its config, its directory, its result."""
    config = make_small_config({"phases.fine_tune.epochs": 0})
    directory = tmp_path_factory.mktemp("solved") / "run"
    return config, directory, train_and_evaluate(config, directory)


def test_a_finished_run_is_only_read(solved):
    config, directory, first = solved
    stamp = (directory / workdir.MODEL).stat().st_mtime_ns
    assert train_and_evaluate(config, directory) == first
    assert (directory / workdir.MODEL).stat().st_mtime_ns == stamp
    looks = workdir.read_json(directory / workdir.TEST_LOOKS)
    assert looks["count"] == 1


def test_another_config_is_refused(solved):
    config, directory, _ = solved
    other = config.copy_and_resolve_references()
    other.seed = 5
    with pytest.raises(InputError, match="seed was 0 and is 5"):
        train_and_evaluate(other, directory)


@pytest.fixture(scope="module")
def photos(photo_folder, tmp_path_factory):
    """Photos of these tests' own."""
    return shutil.copytree(photo_folder, tmp_path_factory.mktemp("own") / "x")


@pytest.fixture(scope="module")
def make_two_fits(make_small_config, photos):
    """A fitted head, then fine-tuning with everything that has state."""

    def make():
        config = make_small_config(
            {
                "data.source": str(photos),
                "model.weights": "none",
                "checks.enabled": False,
            }
        )
        probe = config.phases.linear_probe
        probe.method = "fit"
        probe.epochs = 3
        probe.augment = True
        probe.batch_size = 16
        probe.reduce_on_plateau_patience = 1
        tune = config.phases.fine_tune
        tune.epochs = 3
        tune.trainable_from = "stage4"
        tune.early_stopping_patience = 2
        tune.batch_norm = "adapt"
        # Keep whatever comes last, so that both phases are compared.
        config.evaluation.replace_p_value = 1.0
        return config

    return make


@pytest.fixture
def two_fits(make_two_fits):
    return make_two_fits()


@pytest.fixture(scope="module")
def uninterrupted(make_two_fits, tmp_path_factory):
    """A folder of a `whole` run, and of copies of it.

    One for each epoch: after its row, before its commit, as a kill between
    the two would leave the directory.
    """
    folder = tmp_path_factory.mktemp("uninterrupted")
    add = History.add

    def add_and_copy(self, row):
        add(self, row)
        place = folder / f"{row['phase']}-{row['epoch']}"
        shutil.copytree(folder / "whole", place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(History, "add", add_and_copy)
        train_and_evaluate(make_two_fits(), folder / "whole")
    return folder


@pytest.mark.parametrize(
    ("phase", "epoch"),
    [
        pytest.param("linear_probe", 2, marks=pytest.mark.slow),
        pytest.param("fine_tune", 1, marks=pytest.mark.slow),
        ("fine_tune", 3),
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    two_fits, uninterrupted, phase, epoch
):
    whole, cut = uninterrupted / "whole", uninterrupted / f"{phase}-{epoch}"
    assert not (cut / workdir.RESULT).exists()
    train_and_evaluate(two_fits, cut)
    assert_same_weights(whole, cut)
    for name in (workdir.CODES, workdir.FILTERS):
        with (
            np.load(whole / name) as theirs,
            np.load(cut / name) as mine,
        ):
            assert theirs.files == mine.files
            for key in theirs.files:
                np.testing.assert_array_equal(theirs[key], mine[key])

    def comparable(directory):
        return [
            {k: v for k, v in row.items() if k != "seconds"}
            for row in history_of(directory)
        ]

    assert comparable(whole) == comparable(cut)


def test_changed_data_is_refused_by_an_unfinished_run(
    two_fits, tmp_path, photos, uninterrupted
):
    cut = shutil.copytree(uninterrupted / "linear_probe-2", tmp_path / "cut")
    photo = photos / "china" / "03.jpg"
    photo.rename(tmp_path / "03.jpg")
    try:
        with pytest.raises(InputError, match="The data has changed since the"):
            train_and_evaluate(two_fits, cut)
    finally:
        (tmp_path / "03.jpg").rename(photo)
