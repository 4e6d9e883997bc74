"""A run whose epochs follow the data, and its record of them."""

import shutil

import pytest

from tlkeras import workdir
from tlkeras.evaluation.records import read_result
from tlkeras.optim.schedules import PhaseSchedule
from tlkeras.training import epoch_rule, fit_setup
from tlkeras.training.state import Checkpoints
from tlkeras.training.trainer import train_and_evaluate


@pytest.fixture(scope="module")
def make_brief(make_small_config):
    """56 images in batches of 16: 9 steps are 3 epochs of 3."""

    def make(patch):
        patch.setattr(epoch_rule, "FEWEST_STEPS", 9)
        patch.setattr(epoch_rule, "USUAL_EPOCHS", 1)
        return make_small_config(
            {
                "phases.fine_tune.epochs": "auto",
                "phases.fine_tune.trainable_from": "stage4",
                "model.weights": "none",
                "checks.enabled": False,
            }
        )

    return make


def fitted_rows(directory):
    rows = workdir.read_table(directory / workdir.HISTORY)
    return [row for row in rows if row["phase"] == "fine_tune"]


@pytest.fixture(scope="module")
def decided(make_brief, tmp_path_factory):
    """A run, a copy of it after its first epoch, its result and schedules."""
    folder = tmp_path_factory.mktemp("decided")
    totals = set()
    build = fit_setup.build_optimizer
    commit = Checkpoints.commit

    def listen(phase, *rest):
        optimizer, rows = build(phase, *rest)
        for inner in optimizer.optimizers:
            schedule = inner._learning_rate
            assert isinstance(schedule, PhaseSchedule)
            totals.add(schedule.args.total_epochs)
        return optimizer, rows

    def copy_after_an_epoch(self, progress, *rest):
        commit(self, progress, *rest)
        if progress.current.epoch == 1:
            shutil.copytree(folder / "run", folder / "killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_setup, "build_optimizer", listen)
        patch.setattr(Checkpoints, "commit", copy_after_an_epoch)
        result = train_and_evaluate(make_brief(patch), folder / "run")
    return folder / "run", folder / "killed", result, totals


def test_the_rule_decides_and_the_schedule_follows(decided):
    directory, _, _, totals = decided
    assert len(fitted_rows(directory)) == 3
    assert totals == {3}
    (record,) = (
        row for row in read_result(directory).phases if row.phase == "fine_tune"
    )
    assert record.details.epochs == 3
    stated = workdir.read_json(directory / workdir.CONFIG)["phases"]
    assert stated["fine_tune"]["epochs"] == "auto"


@pytest.mark.slow
def test_it_is_the_run_with_that_number(
    decided, make_brief, tmp_path, monkeypatch
):
    _, _, found, _ = decided
    brief = make_brief(monkeypatch)
    brief.phases.fine_tune.epochs = 3
    stated = train_and_evaluate(brief, tmp_path / "stated")
    assert found["val/loss"] == stated["val/loss"]
    assert found["test/loss"] == stated["test/loss"]


def test_a_begun_phase_keeps_its_epochs_whatever_the_rule_says_later(
    decided, make_brief, monkeypatch
):
    _, killed, whole, _ = decided
    assert len(fitted_rows(killed)) == 1
    brief = make_brief(monkeypatch)
    monkeypatch.setattr(epoch_rule, "FEWEST_STEPS", 30)
    resumed = train_and_evaluate(brief, killed)
    assert len(fitted_rows(killed)) == 3
    assert resumed["val/loss"] == whole["val/loss"]
