"""The batched computation of heads names what it knows."""

import dataclasses

import pytest

from tlkeras.config import get_config
from tlkeras.config.defaults import model_section
from tlkeras.config.dotted import set_value
from tlkeras.optim.optimizers import OptimizerSpec
from tlkeras.training.phases import GroupSettings, Phase
from tlkeras.tuning.trials.batchable import GROUP, MODEL, PHASE, SPEC
from tlkeras.tuning.trials.head_job import HeadJob, make_job


def fields_of(kind):
    return {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize(
    ("fields", "known", "neutral"),
    [
        (
            fields_of(Phase),
            PHASE,
            {
                "global_clipnorm",
                "early_stopping_patience",
                "reduce_on_plateau_patience",
                "teacher",
            },
        ),
        (fields_of(GroupSettings), GROUP, set()),
        (fields_of(OptimizerSpec), SPEC, {"clipnorm"}),
        (set(model_section()), MODEL, {"head_max_norm"}),
    ],
)
def test_every_field_is_honoured_or_idle_or_neutral(fields, known, neutral):
    """A new field fails here until somebody has decided what it is."""
    parts = [set(known.honoured), set(known.idle), neutral]
    assert set().union(*parts) == fields
    assert sum(map(len, parts)) == len(fields)


def make(changes=()):
    config = get_config()
    for name, value in dict(changes).items():
        set_value(config, name, value)
    return make_job(config, num_images=100)


PROBE = "phases.linear_probe."


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model.head", "mlp"),
        ("model.head_max_norm", 1.0),
        (PROBE + "optimizer", "lion"),
        (PROBE + "groups.head.optimizer", "rmsprop"),
        (PROBE + "clipnorm", 1.0),
        (PROBE + "groups.head.clipnorm", 1.0),
        (PROBE + "global_clipnorm", 1.0),
        (PROBE + "early_stopping_patience", 3),
        (PROBE + "reduce_on_plateau_patience", 3),
    ],
)
def test_what_it_does_not_know_is_not_batched(field, value):
    assert make().is_batchable
    assert not make({field: value}).is_batchable


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model.head", "svm"),
        ("model.dropout", 0.7),
        (PROBE + "groups.head.weight_decay", 0.1),
        (PROBE + "groups.head.learning_rate", 0.1),
        (PROBE + "schedule", "cosine"),
        (PROBE + "reduce_on_plateau_factor", 0.5),
        (PROBE + "momentum", 0.1),
    ],
)
def test_what_it_knows_is_batched(field, value):
    assert make({field: value}).is_batchable


def extended(values, **more):
    """Returns a dataclass with one field more, whose default is None."""
    ((name, value),) = more.items()
    kind = dataclasses.make_dataclass(
        "Extended",
        [(name, object, dataclasses.field(default=None, kw_only=True))],
        bases=(type(values),),
        frozen=True,
    )
    return kind(**vars(values), **{name: value})


def test_a_new_field_of_an_optimizer_counts_unless_it_is_neutral():
    job = make()
    for value in (None, 0.9):
        spec = extended(job.optimizer, ema=value)
        new = HeadJob(job.config, job.phase, spec)
        assert new.is_batchable == (value is None)


def test_a_new_field_of_a_phase_or_its_head_is_not_batched():
    job = make()
    phase = extended(job.phase, sharpness=0.5)
    assert not HeadJob(job.config, phase, job.optimizer).is_batchable
    head = extended(job.phase.groups["head"], freeze_epochs=3)
    phase = dataclasses.replace(job.phase, groups={"head": head})
    assert not HeadJob(job.config, phase, job.optimizer).is_batchable


def test_a_new_field_of_a_head_is_not_batched():
    job = make()
    with job.config.unlocked():
        job.config.model.head_bias = 1.0
    assert not job.is_batchable
