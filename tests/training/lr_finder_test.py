import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.charts import to_svg
from tlkeras.data.load import load_configured
from tlkeras.errors import InputError
from tlkeras.optim.lr_rules import RULES
from tlkeras.studies.lr_finder_plot import (
    find_limits,
    plot_learning_rates,
    plot_range_test,
)
from tlkeras.studies.lr_search import find_phase_rates
from tlkeras.training.build import set_up_model
from tlkeras.training.freezing import freeze_below, freeze_phase
from tlkeras.training.lr_finder import find_learning_rates
from tlkeras.training.start import build_run
from tlkeras.training.trainer import train_and_evaluate


@pytest.fixture
def brief_config(make_small_config):
    """A fitted head alone: rates are tried at once."""
    return make_small_config(
        {
            "checks.enabled": False,
            "phases.phase_order": ("fine_tune",),
            "phases.fine_tune.trainable_from": "none",
        }
    )


@pytest.mark.parametrize(
    ("trainable_from", "batch_norm"),
    [
        pytest.param("all", "train", marks=pytest.mark.slow),
        ("conv_dw_6", "frozen"),
        pytest.param("none", "frozen", marks=pytest.mark.slow),
    ],
)
def test_the_model_is_bit_identical_before_and_after(
    trainable_from, batch_norm, small_config, tmp_path
):
    from tlkeras.console import Console

    phase_config = small_config.phases.fine_tune
    phase_config.trainable_from = trainable_from
    phase_config.batch_norm = batch_norm
    policy = set_up_model(small_config)
    run = build_run(
        small_config,
        tmp_path,
        load_configured(small_config),
        policy,
        Console(quiet=True),
    )
    phase = run.phases[-1]
    freeze_phase(phase, run, adapt=False)
    frozen = freeze_below(phase, run)
    variables = run.classifier.model.variables  # seed generators too
    before = [v.numpy() for v in variables]
    found = find_learning_rates(phase, run, frozen, num_steps=30)
    for variable, value in zip(variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert len(found.losses) == len(found.rates) == len(found.smoothed)
    assert set(found.suggestions) == set(RULES)
    again = find_learning_rates(phase, run, frozen, num_steps=30)
    np.testing.assert_array_equal(again.losses, found.losses)


def test_groups_keep_their_multipliers(brief_config, tmp_path):
    brief_config.model.features_from = "conv_pw_4_relu"
    brief_config.phases.fine_tune.trainable_from = "conv_dw_3"
    brief_config.phases.fine_tune.groups.lower.learning_rate = 1e-5
    found = find_phase_rates(brief_config, tmp_path / "run", num_steps=20)
    assert found.groups == {"head": 1.0, "upper": 0.1, "lower": 1e-5}
    (stored,) = workdir.read_json(tmp_path / "run/lr_finder.json").values()
    assert stored["learning_rate"] == found.learning_rate
    assert stored["rule"] == found.rule
    svg = to_svg(plot_range_test(stored), "x")
    for rule in found.suggestions:
        assert f">{rule} " in svg
    assert svg.count(", used<") == 1
    plot_learning_rates(found, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("smoothed", "is_shown"),
    [
        ([2.3, 1.0, 2.4], [True, True, True]),
        ([2.3, 1.0, 50.0], [True, True, False]),
        ([2.3, 1.0, float("inf"), float("nan")], [True, True, False, False]),
        ([0.0, 0.0], [True, True]),
    ],
)
def test_a_plot_shows_what_learns_and_not_what_diverges(smoothed, is_shown):
    low, high = find_limits(smoothed)
    assert [low < loss < high for loss in smoothed] == is_shown


def test_a_plot_of_no_finite_loss_has_no_limits():
    assert find_limits([float("nan")]) is None


@pytest.mark.slow
def test_train_goes_on_where_the_finder_stopped(small_config, tmp_path):
    find_phase_rates(small_config, tmp_path / "run", num_steps=20)
    found_first = train_and_evaluate(small_config, tmp_path / "run")
    alone = train_and_evaluate(small_config, tmp_path / "alone")
    for name in ("val/loss", "best_phase", "best_epoch"):
        assert found_first[name] == alone[name]
    # Of a finished run: from the weights that the phase began with.
    first = workdir.read_json(tmp_path / "run/lr_finder.json")["fine_tune"]
    again = find_phase_rates(small_config, tmp_path / "run", num_steps=20)
    assert again.losses.tolist() == first["losses"]


@pytest.mark.slow
def test_auto_finds_the_rate_once_and_keeps_it_when_resumed(
    small_config, tmp_path, monkeypatch
):
    import tlkeras.training.fit as fit

    small_config.phases.fine_tune.learning_rate = "auto"
    small_config.phases.fine_tune.epochs = 2
    whole = train_and_evaluate(small_config, tmp_path / "whole")
    stored = workdir.read_json(tmp_path / "whole/lr_finder.json")["fine_tune"]
    rate = stored["learning_rate"]
    (group, *_) = whole["phases"][1]["layer_groups"]
    assert group["learning_rate"] == rate
    small_config.phases.fine_tune.learning_rate = rate
    fixed = train_and_evaluate(small_config, tmp_path / "fixed")
    assert fixed["phases"][1]["val/loss"] == whole["phases"][1]["val/loss"]

    class StopError(Exception):
        pass

    def stop(*arguments):
        raise StopError

    small_config.phases.fine_tune.learning_rate = "auto"
    monkeypatch.setattr(fit, "_run_epochs", stop)
    with pytest.raises(StopError):
        train_and_evaluate(small_config, tmp_path / "resumed")
    monkeypatch.undo()
    (tmp_path / "resumed/lr_finder.json").unlink()
    resumed = train_and_evaluate(small_config, tmp_path / "resumed")
    assert not (tmp_path / "resumed/lr_finder.json").exists()
    assert resumed["val/loss"] == whole["val/loss"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"phase": "linear_probe"}, "is solved exactly, or skipped"),
        ({"phase": "fine_tun"}, "Did you mean 'fine_tune'"),
        ({"rule": "valey"}, "Did you mean 'valley'"),
        ({"lowest": 0.0}, "increasing rates above 0"),
        ({"highest": float("inf")}, "increasing rates above 0"),
        ({"lowest": 1.0, "highest": 0.1}, "increasing rates above 0"),
        ({"num_steps": 2}, "at least 5 steps"),
    ],
)
def test_bad_input_is_one_sentence(settings, message, small_config, tmp_path):
    with pytest.raises(InputError, match=message):
        find_phase_rates(small_config, tmp_path / "run", **settings)


def test_rates_that_are_all_too_high_are_one_sentence(brief_config, tmp_path):
    with pytest.raises(InputError, match="begin at a lower rate"):
        find_phase_rates(brief_config, tmp_path, lowest=1e5, highest=1e6)


def test_class_weights_do_not_end_the_test(brief_config, tmp_path):
    brief_config.data.class_weighting = "balanced"
    brief_config.phases.fine_tune.batch_size = 4
    found = find_phase_rates(brief_config, tmp_path / "run", num_steps=40)
    assert len(found.losses) == len(found.smoothed)


def test_own_rates_of_all_groups_leave_nothing_to_find(small_config, tmp_path):
    for group in small_config.phases.fine_tune.groups.values():
        group.learning_rate = 1e-4
    with pytest.raises(InputError, match="has a learning rate of its own"):
        find_phase_rates(small_config, tmp_path / "run")


def test_without_a_fitted_phase_there_is_no_rate(small_config, tmp_path):
    small_config.phases.fine_tune.epochs = 0
    with pytest.raises(InputError, match="no rate to find"):
        find_phase_rates(small_config, tmp_path / "run")
