import math

import keras
import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.optim.schedules import (
    SCHEDULES,
    PhaseSchedule,
    ScheduleArgs,
    make_learning_rate,
)

ARGS = ScheduleArgs(total_epochs=20)


def rate(name, epoch, args=ARGS, peak=0.5):
    schedule = PhaseSchedule(name, peak, 10, args)
    return float(schedule(round(epoch * 10)))


@pytest.mark.parametrize(
    ("name", "epoch", "expected"),
    [
        ("constant", 7, 1.0),
        ("step", 9.9, 1.0),
        ("step", 10, 0.1),
        ("exponential", 2, 0.97**2),
        ("sqrt", 5, math.sqrt(1 - 5 / 20)),
        ("sqrt", 20, 0.0),
        ("inverse_time", 5, 1 / 2),
        ("natural_exp", 5, math.exp(-1)),
        ("cosine", 0.5, 0.5),
        ("cosine", 1, 1.0),
        ("cosine", 10.5, 0.01 + 0.99 * 0.5),
        ("cosine", 20, 0.01),
        ("one_cycle", 0, 0.04),
        ("one_cycle", 6, 1.0),
        ("one_cycle", 13, 0.01 + 0.99 * 0.5),
        ("one_cycle", 20, 0.01),
    ],
)
def test_each_formula(name, epoch, expected):
    assert rate(name, epoch) == pytest.approx(0.5 * expected, abs=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_stay_between_zero_and_the_peak(name):
    rates = np.array([rate(name, t / 10) for t in range(201)])
    assert (rates >= 0).all()
    assert rates.max() == pytest.approx(0.5, rel=0.02)
    assert np.isfinite(rates).all()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_carried_over_optimizer_starts_at_the_beginning(name):
    schedule = PhaseSchedule(name, 0.5, 10, ARGS)
    late = PhaseSchedule(name, 0.5, 10, ARGS, first_step=123)
    for step in (0, 15, 130):
        assert float(late(123 + step)) == pytest.approx(float(schedule(step)))


def test_schedules_survive_serialization():
    schedule = PhaseSchedule("cosine", 0.5, 10, ARGS, first_step=3)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule)
    )
    assert copy.get_config() == schedule.get_config()


def test_a_constant_rate_is_a_number():
    assert make_learning_rate("constant", 0.3, 10, ARGS) == 0.3


def test_an_unknown_schedule_is_refused():
    with pytest.raises(InputError, match="Did you mean 'cosine'"):
        make_learning_rate("cosin", 0.3, 10, ARGS)
