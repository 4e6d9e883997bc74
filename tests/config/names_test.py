"""Names that the config states are those of the tables that implement them."""

import numpy as np
import pytest

from tlkeras import devices
from tlkeras.config import get_config
from tlkeras.config.conditions import (
    SMOOTHED_HEADS,
    SOLVED_HEADS,
    WITH_MOMENTUM,
)
from tlkeras.config.defaults import schedule_section
from tlkeras.config.dotted import get_value
from tlkeras.config.fields import FIELDS, row_of
from tlkeras.config.presets import PRESETS
from tlkeras.data import empty_classes, epoch, means, placement, scan
from tlkeras.features import cache, engines, frozen, openvino_graph
from tlkeras.linear import solvers
from tlkeras.models import classifier, heads, preprocessing
from tlkeras.optim import optimizers, schedules
from tlkeras.training import distribution, phases
from tlkeras.tuning import modes
from tlkeras.tuning.space.conditions import conditions_of
from tlkeras.tuning.store import oracles

# Row of a field -> names that the program knows for it.
TABLES = {
    "preset": ("", *PRESETS),
    "data.on_bad_image": scan.ON_BAD_IMAGE,
    "data.on_empty_class": empty_classes.ON_EMPTY_CLASS,
    "data.geometry": placement.GEOMETRIES,
    "data.class_weighting": epoch.CLASS_WEIGHTINGS,
    "data.mean": ("none", *means.MEAN_AXES),
    "model.contract": ("auto", *preprocessing.CONTRACTS),
    "model.pooling": heads.POOLINGS,
    "model.head": heads.HEADS,
    "model.head_initializer": heads.INITIALIZERS,
    "phases.*.method": phases.METHODS,
    "phases.*.batch_norm": classifier.BATCH_NORM_POLICIES,
    "phases.*.optimizer": optimizers.OPTIMIZERS,
    "phases.*.groups.*.optimizer": optimizers.OPTIMIZERS,
    "phases.*.schedule": schedules.SCHEDULES,
    "phases.*.solver": solvers.SOLVERS,
    "features.cache": frozen.CACHING,
    "features.storage": cache.STORAGE,
    "features.precision": ("auto", *openvino_graph.OPENVINO_PRECISIONS),
    "tuning.mode": ("auto", *modes.MODES),
    "tuning.oracle": oracles.ORACLES,
    "runtime.engine": ("auto", *engines.ENGINES),
    "runtime.precision": devices.PRECISIONS,
    "runtime.devices": distribution.DEVICES,
}
PHASE = "phases.fine_tune."


def test_every_field_with_choices_has_a_table():
    assert set(TABLES) == {n for n, row in FIELDS.items() if row.choices}


@pytest.mark.parametrize("name", TABLES)
def test_choices_are_those_of_the_table(name):
    choices = FIELDS[name].choices
    assert set(choices) == set(TABLES[name])
    assert len(set(choices)) == len(choices)


def test_heads_are_solved_and_smoothed_as_they_say():
    assert set(SOLVED_HEADS) == {
        name for name, head in heads.HEADS.items() if head.is_solvable
    }
    assert set(SMOOTHED_HEADS) == {
        name for name, head in heads.HEADS.items() if head.loss.smooth_target
    }


def test_optimizers_have_momentum_as_they_say():
    """An optimizer without is the same at another momentum."""

    def settings(name, momentum):
        make = optimizers.OPTIMIZERS[name]
        return make(momentum=momentum, learning_rate=0.1, name="x").get_config()

    assert set(WITH_MOMENTUM) == {
        name
        for name in optimizers.OPTIMIZERS
        if settings(name, 0.5) != settings(name, 0.7)
    }


def accepted(field, other):
    """Returns the choices of another field at which a field counts."""
    ((condition,),) = conditions_of(
        PHASE + field, lambda n: [get_value(get_config(), n)], ["fine_tune"]
    )
    assert condition.field == other
    return {v for v in row_of(other).choices if condition.accepts(v)}


@pytest.mark.parametrize("name", schedule_section())
def test_schedules_read_the_arguments_that_count_for_them(name):
    usual = schedules.ScheduleArgs(total_epochs=30)
    changed = {name: 0.5 * getattr(usual, name)}

    def rates(kind, args):
        if kind == "constant":
            return 1.0
        args = schedules.ScheduleArgs(total_epochs=30, **args)
        schedule = schedules.make_learning_rate(kind, 1.0, 2, args)
        return np.array(schedule(np.arange(60)))

    assert accepted(f"schedule_args.{name}", PHASE + "schedule") == {
        kind
        for kind in schedules.SCHEDULES
        if not np.array_equal(rates(kind, {}), rates(kind, changed))
    }
