import dataclasses
import math
from types import SimpleNamespace

import pytest

from tlkeras.training.run_clock import require_trial
from tlkeras.training.time_plan import (
    FEWEST_EPOCHS,
    Pace,
    TimeLeft,
    TooLittleTimeError,
    choose_higher,
    refuse,
    share,
)

PACE = Pace(first_step=5.0, step=0.1, validation=1.0, commit=1.0, steps=30)


@pytest.mark.parametrize(
    ("seconds", "epochs"),
    [(-3.0, 0), (0.0, 0), (4.9, 0), (5.1, 1), (26.0, 5), (1e9, 12)],
)
def test_as_many_epochs_as_fit_and_never_more_than_wanted(seconds, epochs):
    assert PACE.epoch == pytest.approx(5.0)
    assert PACE.epochs_within(seconds, 12) == epochs


def test_all_that_an_epoch_does_counts():
    for name in ("step", "validation", "commit", "steps"):
        slower = dataclasses.replace(PACE, **{name: 3 * getattr(PACE, name)})
        assert slower.epoch > PACE.epoch, name


def test_the_epochs_never_pass_the_time():
    for seconds in range(60):
        epochs = PACE.epochs_within(seconds, 100)
        assert epochs * PACE.epoch <= seconds < (epochs + 1) * PACE.epoch + 1e-6


COSTS = {50: 0.6, 90: 0.2}


def test_a_higher_cutoff_is_taken_only_where_too_few_epochs_fit():
    assert choose_higher(PACE, 5.0 * FEWEST_EPOCHS, 12, COSTS, 4.0) is None
    # 14 s: 2 epochs here; 10 s are left there: 2.6 at .6, 3.8 at .2.
    assert choose_higher(PACE, 14.0, 12, COSTS, 4.0) == 90
    # 14.9 s: 10.9 are left, in which .6 gives 2 and .2 gives 4.
    assert choose_higher(PACE, 14.9, 12, {50: 0.3, 90: 0.2}, 4.0) == 50


def test_a_phase_that_wants_one_epoch_is_content_with_it():
    assert choose_higher(PACE, 6.0, 1, COSTS, 0.0) is None


def test_where_no_cutoff_gives_more_the_own_one_stays():
    assert choose_higher(PACE, 11.0, 12, COSTS, 9.0) is None
    assert choose_higher(PACE, 11.0, 12, {}, 0.0) is None
    # None fits here, one there.
    assert choose_higher(PACE, 4.9, 12, COSTS, 1.0) == 50


def test_phases_share_the_time_by_their_epochs():
    assert share(60.0, 12, 0) == 60.0
    assert share(60.0, 10, 20) == 20.0


def test_time_without_a_budget_has_no_end():
    assert TimeLeft(lambda: 1e9).seconds() == math.inf
    assert not TimeLeft(lambda: 0.0).is_limited
    assert TimeLeft(lambda: 7.0, until=5.0).seconds() == -2.0


def test_the_sentence_says_how_long_an_epoch_takes_and_what_would_do():
    error = TooLittleTimeError("fine_tune", 12.34)
    text = str(refuse(error, budget=5, spent=20.0, closing=8.0))
    assert "runtime.max_seconds=5 is below what one epoch takes" in text
    assert "'fine_tune' needs 12.3 s" in text
    assert "at least 41: raise --config.runtime.max_seconds" in text


def test_a_phase_is_not_even_timed_where_that_would_take_the_time():
    phase = SimpleNamespace(name="fine_tune")
    require_trial(phase, TimeLeft(lambda: 0.0, until=99.0), prepared=10.0)
    require_trial(phase, TimeLeft(lambda: 9e9), prepared=10.0)
    with pytest.raises(TooLittleTimeError) as told:
        require_trial(phase, TimeLeft(lambda: 96.0, until=99.0), prepared=10.0)
    assert told.value.phase == "fine_tune"
    assert told.value.needed > 3.0
