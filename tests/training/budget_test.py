"""`runtime.max_seconds`: the plan, its record, and what is left out."""

import functools
import shutil
import time

import pytest

from tlkeras import workdir
from tlkeras.config import config_hash, default_workdir, get_config, validate
from tlkeras.errors import InputError
from tlkeras.evaluation.records import read_result
from tlkeras.evaluation.run import load_run
from tlkeras.models.cells import find_backbone
from tlkeras.models.graph import layer_stages
from tlkeras.training import fit_plan, solve, trainer
from tlkeras.training.state import Checkpoints
from tlkeras.training.time_plan import Pace
from tlkeras.training.trainer import train_and_evaluate

LONG = 100_000.0  # seconds, so that the test's own do not count


@pytest.fixture(scope="module")
def make_config(make_small_config):
    """Returns what makes the config of a run that keeps its last phase."""
    return functools.partial(
        make_small_config,
        {
            "model.weights": "none",
            "checks.enabled": False,
            "phases.fine_tune.epochs": 4,
            "phases.fine_tune.trainable_from": "stage3",
            # So that its weights, whatever they are, are those compared.
            "evaluation.replace_p_value": 1.0,
        },
    )


@pytest.fixture
def config(make_config):
    return make_config()


def slow(monkeypatch, *epochs):
    """Makes epochs of the given seconds, one for each time of measuring."""
    asked = list(epochs)

    def measure(setup, run):
        return Pace(0.0, 0.0, 0.0, asked.pop(0), steps=3)

    monkeypatch.setattr(fit_plan, "measure_pace", measure)
    return asked


def epochs_of(directory, phase="fine_tune"):
    rows = workdir.read_table(directory / workdir.HISTORY)
    return [row["epoch"] for row in rows if row["phase"] == phase]


def fine_tune(result):
    return next(r for r in result["phases"] if r["phase"] == "fine_tune")


def same_figures(one, other):
    for key in ("val/loss", "test/loss", "val/top_1_accuracy"):
        assert one[key] == other[key], key


@pytest.mark.slow
def test_measuring_and_a_budget_that_is_long_enough_change_no_bit(
    config, tmp_path, listening_console
):
    quiet = train_and_evaluate(config, tmp_path / "quiet")
    told = train_and_evaluate(
        config, tmp_path / "told", console=listening_console
    )
    (line,) = [x for x in listening_console.lines if "4 epochs of 3 steps" in x]
    assert "about" in line
    begun = listening_console.lines.index(line)
    trained = [
        i for i, x in enumerate(listening_console.lines) if "fine_tune 1/4" in x
    ]
    assert begun < trained[0]  # before the phase
    assert any("strengths: about" in x for x in listening_console.lines)
    config.runtime.max_seconds = LONG
    limited = train_and_evaluate(config, tmp_path / "limited")
    same_figures(told, quiet)
    same_figures(limited, quiet)


@pytest.fixture(scope="module")
def cut(make_config, tmp_path_factory):
    """A run of 3 of 4 epochs: a copy, as it was after the first; its result."""
    folder = tmp_path_factory.mktemp("cut")
    commit = Checkpoints.commit

    def copy_after_an_epoch(self, progress, *rest):
        commit(self, progress, *rest)
        if progress.current.epoch == 1:
            shutil.copytree(folder / "run", folder / "killed")

    config = make_config()
    config.runtime.max_seconds = LONG
    with pytest.MonkeyPatch.context() as patch:
        slow(patch, LONG / 3.5)
        patch.setattr(Checkpoints, "commit", copy_after_an_epoch)
        result = train_and_evaluate(config, folder / "run")
    assert epochs_of(folder / "run") == ["1", "2", "3"]
    return folder / "killed", result


@pytest.fixture(scope="module")
def stated(make_config, tmp_path_factory):
    """The result of a run of 3 epochs from the third stage on, as stated."""
    config = make_config()
    config.phases.fine_tune.epochs = 3
    return train_and_evaluate(config, tmp_path_factory.mktemp("stated") / "run")


def test_epochs_are_cut_and_the_run_is_that_of_fewer_epochs(cut, stated):
    _, result = cut
    assert fine_tune(result)["epochs"] == 3
    same_figures(result, stated)


def test_a_killed_run_keeps_its_plan_whatever_is_measured_later(
    config, cut, monkeypatch
):
    killed, whole = cut
    assert not (killed / workdir.RESULT).exists()
    assert epochs_of(killed) == ["1"]
    config.runtime.max_seconds = LONG
    slow(monkeypatch)  # measures nothing more
    again = train_and_evaluate(config, killed)
    assert epochs_of(killed) == ["1", "2", "3"]
    same_figures(again, whole)


@pytest.fixture(scope="module")
def higher(make_config, tmp_path_factory):
    """A run where few epochs fit, so that fewer layers train.

    Its directory, its result, and the costs of higher cutoffs.
    """
    directory = tmp_path_factory.mktemp("higher") / "run"
    seen = []

    def first_above(pace, seconds, wanted, costs, trial):
        seen.append(costs)
        return min(costs)

    config = make_config()
    config.phases.fine_tune.trainable_from = "stage2"
    config.phases.fine_tune.epochs = 3
    config.runtime.max_seconds = LONG
    with pytest.MonkeyPatch.context() as patch:
        # One would fit; above, where a step costs a fraction, all three.
        measured = slow(patch, LONG / 1.5, LONG / 10)
        patch.setattr(fit_plan, "choose_higher", first_above)
        result = train_and_evaluate(config, directory)
    assert not measured
    (costs,) = seen
    return directory, result, costs


def test_where_few_epochs_fit_fewer_layers_train(higher, stated):
    """And the run is that of the higher cutoff, killed or not."""
    directory, result, costs = higher
    assert list(costs.values()) == sorted(costs.values(), reverse=True)
    assert all(0 < cost < 1 for cost in costs.values())
    assert "instead" in (directory / workdir.LOG).read_text()
    assert fine_tune(result)["epochs"] == 3
    groups = [fine_tune(r)["layer_groups"][-1] for r in (result, stated)]
    assert groups[0]["first_layer"] == groups[1]["first_layer"]
    same_figures(result, stated)


def test_higher_cutoffs_are_the_starts_of_stages(higher):
    directory, _, costs = higher
    stages = layer_stages(find_backbone(load_run(directory).model))
    assert [stages[at] for at in costs] == [3, 4][: len(costs)]
    assert all(stages[at - 1] < stages[at] for at in costs)


@pytest.fixture(scope="module")
def left_out(make_config, tmp_path_factory):
    """A run without time for a phase; a copy, from before its model's file."""
    folder = tmp_path_factory.mktemp("left_out")
    save_model = trainer.save_model

    def copy_first(run):
        shutil.copytree(folder / "run", folder / "killed")
        save_model(run)

    config = make_config()
    config.runtime.max_seconds = LONG
    with pytest.MonkeyPatch.context() as patch:
        slow(patch, 2 * LONG)
        patch.setattr(fit_plan, "choose_higher", lambda *_, **__: None)
        patch.setattr(trainer, "save_model", copy_first)
        result = train_and_evaluate(config, folder / "run")
    return folder / "run", folder / "killed", result


def test_a_phase_without_time_is_left_out_and_the_run_completes(
    config, left_out, tmp_path
):
    directory, _, result = left_out
    assert "fine_tune is left out" in (directory / workdir.LOG).read_text()
    assert [row["phase"] for row in result["phases"]] == ["linear_probe"]
    assert epochs_of(directory) == []
    for name in (workdir.MODEL, workdir.RESULT, workdir.HISTORY):
        assert (directory / name).exists()
    config.phases.fine_tune.epochs = 0
    alone = train_and_evaluate(config, tmp_path / "alone")
    same_figures(result, alone)


def test_what_was_left_out_stays_so_after_a_kill(config, left_out, monkeypatch):
    _, killed, whole = left_out
    assert not (killed / workdir.MODEL).exists()
    config.runtime.max_seconds = LONG
    slow(monkeypatch)
    again = train_and_evaluate(config, killed)
    same_figures(again, whole)


def test_too_short_a_budget_says_how_long_an_epoch_takes(
    config, tmp_path, monkeypatch
):
    config.phases.phase_order = ("linear_probe",)
    config.runtime.max_seconds = LONG
    monkeypatch.setattr(solve, "_solving_seconds", lambda *_: 2 * LONG)
    with pytest.raises(InputError, match="is below what one epoch") as told:
        train_and_evaluate(config, tmp_path / "run")
    assert "'linear_probe' needs" in str(told.value)
    assert "raise --config.runtime.max_seconds" in str(told.value)
    assert not (tmp_path / "run" / workdir.RESULT).exists()
    # The directory is free again.
    monkeypatch.setattr(solve, "_solving_seconds", lambda *_: 1.0)
    train_and_evaluate(config, tmp_path / "run")


def test_a_run_that_only_fits_is_refused_alike(config, tmp_path, monkeypatch):
    config.phases.linear_probe.epochs = 0
    config.runtime.max_seconds = LONG
    slow(monkeypatch, 2 * LONG)
    monkeypatch.setattr(fit_plan, "choose_higher", lambda *_, **__: None)
    with pytest.raises(InputError, match=r"'fine_tune' needs 200000\.0 s"):
        train_and_evaluate(config, tmp_path / "run")


@pytest.mark.slow
def test_a_rate_that_is_searched_is_found_once_in_the_plan(
    config, tmp_path, monkeypatch
):
    config.phases.fine_tune.learning_rate = "auto"
    config.phases.fine_tune.epochs = 3
    stated = train_and_evaluate(config, tmp_path / "stated")
    config.phases.fine_tune.epochs = 4
    config.runtime.max_seconds = LONG
    slow(monkeypatch, LONG / 3.5)
    cut = train_and_evaluate(config, tmp_path / "cut")
    assert fine_tune(cut)["epochs"] == 3
    same_figures(cut, stated)


@pytest.mark.parametrize("value", [-1.0, 2e9, float("nan")])
def test_what_is_no_time_is_refused(value):
    config = get_config()
    config.runtime.max_seconds = value
    with pytest.raises(InputError, match=r"runtime\.max_seconds"):
        validate(config)


def test_another_budget_is_another_run():
    config = get_config()
    config.data.source = "photos"
    without = config_hash(config)
    config.runtime.max_seconds = 60.0
    with_budget = config_hash(config)
    assert with_budget != without
    assert default_workdir(config).endswith(with_budget)
    config.runtime.max_seconds = 0.0
    assert config_hash(config) == without


def test_seconds_of_preparation_are_counted(config, tmp_path, monkeypatch):
    seen = []
    commit = trainer.commit

    def listen(run, state, *rest):
        commit(run, state, *rest)
        seen.append((state.progress.starting_seconds, state.spent()))

    monkeypatch.setattr(trainer, "commit", listen)
    config.phases.phase_order = ("linear_probe",)
    begun = time.perf_counter() - 50.0
    train_and_evaluate(config, tmp_path, begun=begun)
    lasted = time.perf_counter() - begun
    assert len(seen) > 1
    assert all(starting >= 50.0 for starting, _ in seen)
    assert seen[-1][1] == pytest.approx(lasted, abs=5.0)
    assert read_result(tmp_path).seconds["total"] < lasted - 50.0
