"""A run may end between the probe and the fine-tuned weights (WiSE-FT)."""

import dataclasses

import numpy as np
import pytest

from tlkeras import train_and_evaluate, workdir, write_report
from tlkeras.config.validate import validate
from tlkeras.errors import InputError
from tlkeras.evaluation.records import read_result
from tlkeras.training import fit_plan, mixing, trainer
from tlkeras.training.mixing import mix_weights
from tlkeras.training.time_plan import Pace

from .finished_runs import weights_of

SHARES = (0.25, 0.5)


FIELDS = {
    "evaluation.wise_ft": SHARES,
    "evaluation.calibrate": False,  # weights stay as they are chosen
    "evaluation.replace_p_value": 1.0,  # the best of its own stays
    "phases.fine_tune.batch_norm": "train",
    "checks.enabled": False,
    "report.enabled": False,
}


@pytest.fixture
def config(make_small_config):
    return make_small_config(FIELDS)


@pytest.fixture(scope="module")
def finished(make_small_config, tmp_path_factory):
    directory = tmp_path_factory.mktemp("mixing") / "run"
    train_and_evaluate(make_small_config(FIELDS), directory)
    return directory


def tuned(directory):
    return read_result(directory).phases[1]


def test_every_point_is_tried_and_the_lowest_loss_is_taken(finished):
    mixed = tuned(finished).details.mixed
    assert [share for share, _, _ in mixed.tried] == [0, *SHARES, 1]
    losses = {share: loss for share, _, loss in mixed.tried}
    own = [share for share in losses if share]
    assert mixed.share == min(own, key=losses.get)
    assert tuned(finished).kept
    assert len(set(losses.values())) > 2


def test_the_ends_are_what_the_phases_measured(finished):
    probe, fine_tune = read_result(finished).phases
    (_, at_start, _), *_, (_, at_end, _) = fine_tune.details.mixed.tried
    metric = "top_1_accuracy"
    assert at_start == pytest.approx(probe.metrics[metric])
    history = (finished / workdir.HISTORY).read_text()
    assert str(at_end) in history


def test_report_and_model_card_say_where(finished):
    write_report(finished)
    share = f"{tuned(finished).details.mixed.share:g}"
    page = (finished / workdir.REPORT).read_text()
    assert "Between the weights before (0) and its own (1)" in page
    assert f"<strong>{share}: " in page
    card = (finished / workdir.MODEL_CARD).read_text()
    assert f"Of its weights {share} are taken" in card


def test_a_stopped_run_goes_on_to_the_point_that_is_chosen(
    config, tmp_path, monkeypatch
):
    directory, tried, wanted = tmp_path / "run", {}, 0.5

    def stop_after_fitting(result, *_):
        if result.slots is not None:
            raise KeyboardInterrupt
        return result

    def prefer(share, weights, *rest):
        tried[share] = [np.copy(weight) for weight in weights]
        point = try_point(share, weights, *rest)
        losses = np.full_like(point.log_losses, share != wanted)
        return dataclasses.replace(point, log_losses=losses)

    with monkeypatch.context() as patched:
        patched.setattr(trainer, "mix", stop_after_fitting)
        with pytest.raises(KeyboardInterrupt):
            train_and_evaluate(config, directory)
    try_point = mixing._try_point
    monkeypatch.setattr(mixing, "_try_point", prefer)
    train_and_evaluate(config, directory)
    found = list(weights_of(directory).values())
    for weight, *points in zip(found, *tried.values(), strict=True):
        start, _, middle, own = points
        np.testing.assert_array_equal(weight, middle)
        np.testing.assert_allclose(middle, (start + own) / 2, atol=1e-6)
    assert tuned(directory).details.mixed.share == wanted
    assert tuned(directory).kept


@pytest.mark.parametrize("shares", [(), SHARES])
@pytest.mark.parametrize(
    ("losses", "p_value", "kept"),
    [
        ((0.5, 0.4), 0.5, True),
        ((0.5, 0.4), 0.0, True),  # every image says so
        ((0.4, 0.5), 0.5, False),
        ((0.4, 0.5), 1.0, True),
    ],
)
def test_the_log_loss_decides_whether_a_phase_stays(
    config, tmp_path, monkeypatch, shares, losses, p_value, kept
):
    config.evaluation.wise_ft = shares
    config.evaluation.replace_p_value = p_value
    config.phases.fine_tune.epochs = 1
    try_point = mixing._try_point

    def set_losses(share, *rest):
        point = try_point(share, *rest)
        value = losses[share > 0] + 0.01 * share
        chosen = np.full_like(point.log_losses, value)
        return dataclasses.replace(point, log_losses=chosen)

    monkeypatch.setattr(mixing, "_try_point", set_losses)
    train_and_evaluate(config, tmp_path / "run")
    phase = tuned(tmp_path / "run")
    own = shares[0] if shares else 1.0
    assert phase.kept == kept
    assert phase.details.mixed.share == (own if kept else 0.0)


def test_what_did_not_change_stays_to_the_bit_and_so_do_the_ends():
    rng = np.random.default_rng(0)
    before, own = (
        [rng.normal(size=(3, 4)).astype(np.float32)] for _ in range(2)
    )
    assert np.array_equal(mix_weights(before, own, 0.0)[0], before[0])
    assert np.array_equal(mix_weights(before, own, 1.0)[0], own[0])
    for share in (0.1, 0.3, 0.7):
        (mixed,) = mix_weights(own, own, share)
        assert np.array_equal(mixed, own[0])
        assert mixed.dtype == np.float32


@pytest.mark.parametrize(
    "shares", [(0.0,), (1.0,), (0.5, 0.25), (0.5, 0.5), ("half",), (True,)]
)
def test_shares_lie_between_the_ends(config, shares):
    config.evaluation.wise_ft = shares
    with pytest.raises(InputError, match=r"wise_ft.*expected increasing"):
        validate(config)


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_phase_that_was_cut_short_must_be_the_better_one(
    config, tmp_path, monkeypatch, is_cut
):
    config.evaluation.replace_p_value = 0.95
    config.evaluation.wise_ft = ()
    config.phases.fine_tune.epochs = 2
    config.runtime.max_seconds = seconds = 100_000.0
    epoch = seconds / (1.5 if is_cut else 10)
    monkeypatch.setattr(
        fit_plan,
        "measure_pace",
        lambda *_: Pace(0.0, 0.0, 0.0, epoch, steps=3),
    )
    compare = mixing.compare_paired

    def doubt(*args, **kwargs):
        return dataclasses.replace(compare(*args, **kwargs), p_value=0.9)

    monkeypatch.setattr(mixing, "compare_paired", doubt)
    train_and_evaluate(config, tmp_path / "run")
    details = tuned(tmp_path / "run").details
    assert details.epochs == (1 if is_cut else 2)
    assert details.mixed.share == (0.0 if is_cut else 1.0)
