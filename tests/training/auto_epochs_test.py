"""A run whose epochs follow the data, and its record of them."""

import pytest

from tlkeras import workdir
from tlkeras.evaluation.records import read_result
from tlkeras.optim.schedules import PhaseSchedule
from tlkeras.training import epoch_rule, fit_setup
from tlkeras.training.state import Checkpoints
from tlkeras.training.trainer import train_and_evaluate


@pytest.fixture
def brief(monkeypatch, small_config):
    """56 images in batches of 16: 9 steps are 3 epochs of 3."""
    monkeypatch.setattr(epoch_rule, "FEWEST_STEPS", 9)
    monkeypatch.setattr(epoch_rule, "USUAL_EPOCHS", 1)
    small_config.phases.fine_tune.epochs = "auto"
    small_config.checks.enabled = False
    return small_config


def fitted_rows(directory):
    rows = workdir.read_table(directory / workdir.HISTORY)
    return [row for row in rows if row["phase"] == "fine_tune"]


def test_the_rule_decides_and_the_schedule_follows(
    brief, tmp_path, monkeypatch
):
    totals = set()
    build = fit_setup.build_optimizer

    def listen(phase, *rest):
        optimizer, rows = build(phase, *rest)
        for inner in optimizer.optimizers:
            schedule = inner._learning_rate
            assert isinstance(schedule, PhaseSchedule)
            totals.add(schedule.args.total_epochs)
        return optimizer, rows

    monkeypatch.setattr(fit_setup, "build_optimizer", listen)
    train_and_evaluate(brief, tmp_path)
    assert len(fitted_rows(tmp_path)) == 3
    assert totals == {3}
    (record,) = (
        row for row in read_result(tmp_path).phases if row.phase == "fine_tune"
    )
    assert record.details.epochs == 3
    stated = workdir.read_json(tmp_path / workdir.CONFIG)["phases"]
    assert stated["fine_tune"]["epochs"] == "auto"


@pytest.mark.slow
def test_it_is_the_run_with_that_number(brief, tmp_path):
    found = train_and_evaluate(brief, tmp_path / "auto")
    brief.phases.fine_tune.epochs = 3
    stated = train_and_evaluate(brief, tmp_path / "stated")
    assert found["val/loss"] == stated["val/loss"]
    assert found["test/loss"] == stated["test/loss"]


def test_a_begun_phase_keeps_its_epochs_whatever_the_rule_says_later(
    brief, tmp_path, monkeypatch
):
    class KilledError(Exception):
        pass

    commit = Checkpoints.commit

    def die_after_an_epoch(self, progress, *rest):
        commit(self, progress, *rest)
        if progress.current.epoch == 1:
            raise KilledError

    whole = train_and_evaluate(brief, tmp_path / "whole")
    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "commit", die_after_an_epoch)
        with pytest.raises(KilledError):
            train_and_evaluate(brief, tmp_path / "killed")
    monkeypatch.setattr(epoch_rule, "FEWEST_STEPS", 30)
    resumed = train_and_evaluate(brief, tmp_path / "killed")
    assert len(fitted_rows(tmp_path / "killed")) == 3
    assert resumed["val/loss"] == whole["val/loss"]
