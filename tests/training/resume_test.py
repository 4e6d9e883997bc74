"""Going on where a run stopped: the same bits, or a refusal."""

import numpy as np
import pytest

from tlkeras import train_and_evaluate, workdir
from tlkeras.errors import InputError

from .finished_runs import assert_same_weights, history_of


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


@pytest.fixture(scope="module")
def make_two_fits(make_small_config):
    """A fitted head, then fine-tuning with everything that has state."""

    def make():
        config = make_small_config()
        probe = config.phases.linear_probe
        probe.method = "fit"
        probe.epochs = 3
        probe.augment = True
        probe.batch_size = 16
        probe.reduce_on_plateau_patience = 1
        tune = config.phases.fine_tune
        tune.epochs = 3
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
    directory = tmp_path_factory.mktemp("uninterrupted") / "whole"
    train_and_evaluate(make_two_fits(), directory)
    return directory


@pytest.mark.parametrize(
    ("phase", "epoch"),
    [
        pytest.param("linear_probe", 2, marks=pytest.mark.slow),
        pytest.param("fine_tune", 1, marks=pytest.mark.slow),
        ("fine_tune", 3),
    ],
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
