import json

import keras
import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.evaluation.phase_details import (
    GroupRow,
    PhaseComparison,
    PhaseDetails,
)
from tlkeras.training.progress import (
    BestWeights,
    PhaseOutcome,
    PhaseProgress,
    RunProgress,
)
from tlkeras.training.state import Checkpoints
from tlkeras.workdir import STATE


@pytest.fixture
def model():
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    )


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path, {"data": "photos"})


def best(file):
    return BestWeights(file, 1, {"loss": 1.0}, [1.0])


def at(**phase):
    return RunProgress(current=PhaseProgress(**phase))


def test_nothing_committed_is_a_fresh_start(checkpoints, model):
    progress, slots = checkpoints.load(model)
    assert progress == RunProgress()
    assert slots == {}


def test_weights_seeds_slots_and_record_come_back(checkpoints, model):
    model(np.ones((2, 3)), training=True)  # advances the seed generator
    file = checkpoints.save_weights(model, "a")
    progress = at(
        epoch=3,
        has_begun=True,
        best=best(file),
        callbacks={"EarlyStopping": {"wait": 1}},
    )
    checkpoints.commit(progress, model, None, {"Adam/x": np.arange(3)})
    values = [keras.ops.convert_to_numpy(v) for v in model.variables]
    for variable in model.variables:
        variable.assign(keras.ops.zeros_like(variable))
    loaded, slots = checkpoints.load(model)
    assert loaded == progress
    np.testing.assert_array_equal(slots["Adam/x"], np.arange(3))
    for variable, value in zip(model.variables, values, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_weights_that_nothing_names_are_dropped(checkpoints, model, tmp_path):
    old = checkpoints.save_weights(model, "old")
    new = checkpoints.save_weights(model, "new")
    checkpoints.commit(at(best=best(new)), model, None, {})
    assert not (tmp_path / old).exists()
    assert (tmp_path / new).exists()


def test_a_failed_commit_leaves_the_last_one(checkpoints, model, monkeypatch):
    checkpoints.commit(at(epoch=1), model, None, {})

    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.commit(at(epoch=2), model, None, {})
    assert checkpoints.load(model)[0].current.epoch == 1
    assert [p.name for p in checkpoints.directory.iterdir()] == [STATE]


def test_a_damaged_checkpoint_is_named(checkpoints, model, tmp_path):
    checkpoints.commit(RunProgress(), model, None, {})
    content = (tmp_path / STATE).read_bytes()
    for damaged in (b"rubbish", content[: len(content) // 2]):
        (tmp_path / STATE).write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            checkpoints.load(model)


def test_going_on_under_other_conditions_is_refused(checkpoints, model):
    checkpoints.commit(at(epoch=1), model, None, {})
    other = Checkpoints(checkpoints.directory, {"data": "drawings"})
    with pytest.raises(InputError, match=r"data has changed .*photos is now"):
        other.load(model)


def test_a_found_rate_belongs_to_its_phase():
    progress = RunProgress().with_phase("a", PhaseProgress(learning_rate=0.1))
    assert progress.of_phase("a").learning_rate == 0.1
    assert progress.of_phase("b").learning_rate is None
    record = json.loads(progress.to_json({}))
    assert record["learning_rates"] == {"a": 0.1}
    assert "learning_rate" not in record


def test_the_record_keeps_its_keys_side_by_side():
    """A run that an older version left unfinished is gone on with."""
    record = json.loads(RunProgress().to_json({"data": "photos"}))
    assert list(record) == [
        "outcomes",
        "has_begun",
        "epoch",
        "best",
        "seconds",
        "callbacks",
        "first_steps",
        "learning_rates",
        "plans",
        "timings",
        "total_seconds",
        "starting_seconds",
        "prepared_seconds",
        "conditions",
    ]


def test_an_outcome_comes_back_and_its_times_add_up():
    outcome = PhaseOutcome(
        phase="a",
        best=best("a.npz"),
        seconds=2.0,
        stopped="",
        trainable_parameters=3,
        kept=True,
        comparison=PhaseComparison("b", "accuracy", 0.1, (0.0, 0.2)),
        details=PhaseDetails(layer_groups=(GroupRow("head"),)),
    )
    progress = at(epoch=3).with_outcome(outcome, {"seconds/features": 1.5})
    progress = progress.with_outcome(outcome, {"seconds/features": 1.0})
    assert progress.current == PhaseProgress()
    assert progress.timings == {"seconds/features": 2.5, "seconds/a": 2.0}
    again, conditions = RunProgress.from_json(progress.to_json({"x": "y"}))
    assert again == progress
    assert again.kept == outcome
    assert conditions == {"x": "y"}
