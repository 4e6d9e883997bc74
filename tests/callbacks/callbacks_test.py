import keras
import numpy as np
import pytest

from tlkeras.callbacks.divergence_guard import DivergenceGuard
from tlkeras.callbacks.early_stopping import EarlyStopping
from tlkeras.callbacks.progress import ProgressBar
from tlkeras.callbacks.validation import Validation
from tlkeras.console import Console


class StoppableModel:
    stop_training = False


def watch(losses, factor=3.0, fresh_loss=1.0):
    guard = DivergenceGuard(factor, fresh_loss)
    guard.set_model(StoppableModel())
    for batch, loss in enumerate(losses):
        guard.on_train_batch_end(batch, {"loss": loss})
        if guard.model.stop_training:
            break
    return guard


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([1.0, 2.9], ""),
        ([1.0, 3.1], "passed 3x the initial loss 1 at step 2"),
        ([2.0, 5.9], ""),
        ([2.0, 6.1], "passed 3x the initial loss 2"),
        ([1.0, float("nan")], "the loss became nan at step 2"),
        ([float("inf")], "the loss became inf at step 1"),
        ([0.01, 0.5], ""),  # a fitted head's lucky batch is no measure
    ],
)
def test_a_hopeless_phase_is_quit(losses, reason):
    guard = watch(losses)
    assert reason in guard.reason
    assert bool(guard.reason) == bool(reason)
    assert guard.model.stop_training == bool(reason)


def test_a_real_fit_diverges_and_stops():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e3), "mse")
    guard = DivergenceGuard(3.0, 1.0)
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    history = model.fit(
        x, x[:, :1], batch_size=8, epochs=5, verbose=0, callbacks=[guard]
    )
    assert guard.reason
    assert len(history.epoch) == 1


def test_early_stopping_goes_on_counting_after_a_restart():
    def run(values, callback, first):
        callback.set_model(StoppableModel())
        callback.on_train_begin()
        for epoch, value in enumerate(values, start=first):
            callback.on_epoch_end(epoch, {"val_x": value})
            if callback.model.stop_training:
                return epoch
        return None

    def make():
        return EarlyStopping(monitor="val_x", mode="max", patience=3)

    whole = run([0.5, 0.4, 0.4, 0.4, 0.4], make(), 0)
    first = make()
    assert run([0.5, 0.4, 0.4], first, 0) is None
    second = make()
    second.restore_state(first.get_state())
    assert run([0.4, 0.4], second, 3) == whole == 3


def test_validation_enters_the_logs():
    scores = np.array([1.0, 0.0])
    outcome = {"loss": 2.0, "top_1_accuracy": 0.5}
    guard = DivergenceGuard(3.0, 1.0)
    guard.set_model(StoppableModel())
    validation = Validation(lambda: (outcome, scores), guard)
    logs = {"loss": 1.0}
    validation.on_epoch_end(0, logs)
    assert logs["val_loss"] == 2.0
    assert logs["val_top_1_accuracy"] == 0.5
    assert validation.scores is scores
    assert not guard.reason
    outcome["loss"] = float("nan")
    validation.on_epoch_end(1, logs)
    assert guard.reason == "the validation loss became nan"
    assert guard.model.stop_training
    validation.evaluate = None  # nothing is evaluated after a divergence
    validation.on_epoch_end(2, logs)


def test_progress_says_rate_and_time_left(capsys):
    bar = ProgressBar(
        "fine_tune",
        "top_1_accuracy",
        num_epochs=2,
        steps_per_epoch=3,
        batch_size=8,
        console=Console(),
    )
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_train_batch_end(0)
    bar.on_epoch_end(
        0, {"loss": 1.0, "val_loss": 2.0, "val_top_1_accuracy": 0.5}
    )
    bar.on_train_end()
    out = capsys.readouterr().out
    assert "fine_tune 1/2" in out
    assert "images/s" in out
    assert "s left" in out


def test_the_bar_runs_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    console = Console()
    console.start("phase", 3)
    console.advance_to(2)
    console.line("a line")
    console.stop()
    assert "a line" in capsys.readouterr().out


def test_quiet_prints_results_only(capsys):
    console = Console(quiet=True)
    console.start("phase", 3)
    console.line("hidden")
    console.result("shown")
    assert capsys.readouterr().out == "shown\n"
