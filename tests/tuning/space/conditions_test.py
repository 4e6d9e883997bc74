"""When a field of a space has an effect, and on which others it depends."""

import dataclasses

import numpy as np
import pytest

from tlkeras.config import get_config
from tlkeras.config.defaults import schedule_section
from tlkeras.errors import InputError
from tlkeras.models.heads import HEADS
from tlkeras.optim.schedules import SCHEDULES, ScheduleArgs, make_learning_rate
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.space.conditions import (
    READERS,
    SMOOTHED_HEADS,
    SOLVED_HEADS,
)
from tlkeras.tuning.space.hyperparameters import to_hyperparameters
from tlkeras.tuning.space.space import parse_space
from tlkeras.tuning.store.oracles import build_oracle

RATE = "phases.fine_tune.learning_rate"
FINE_TUNE = "phases.fine_tune."
PROBE = "phases.linear_probe."


def parse_one(name, text, config=None):
    (field,) = parse_space({name: text}, config or get_config())
    return field


@pytest.mark.parametrize(
    ("changes", "space", "message"),
    [
        (
            {"groups.head.learning_rate": 0.1, "trainable_from": "none"},
            {"learning_rate": "1e-4:1e-2"},
            "groups.head.learning_rate overrules it; .* leave out one of them",
        ),
        (
            {"trainable_from": "none"},
            {"weight_decay": "1e-4:1e-2", "groups.head.weight_decay": "1e-5:1"},
            "groups.head.weight_decay overrules it",
        ),
        (
            {
                "groups.head.optimizer": "adam",
                "optimizer": "sgd",
                "trainable_from": "none",
            },
            {"momentum": "0.1:0.9"},
            "groups.head.optimizer is never sgd or rmsprop",
        ),
        (
            {"trainable_from": "none"},
            {"groups.upper.learning_rate_multiplier": "0.01:1"},
            "trainable_from is never other than none",
        ),
        (
            {"groups.upper.learning_rate": 0.1},
            {"groups.upper.learning_rate_multiplier": "0.01:1"},
            "groups.upper.learning_rate overrules it",
        ),
        (
            {},
            {
                "groups.upper.learning_rate_multiplier": "0.01:1",
                "layer_decay": "0.5:0.9",
            },
            "layer_decay overrules it",
        ),
        (
            {},
            {"groups.head.starts_at": "stage3|stage4"},
            "cannot be searched",
        ),
        (
            {},
            {"reduce_on_plateau_factor": "0.1:0.5"},
            "reduce_on_plateau_patience is never set",
        ),
        ({}, {"solve_num_strengths": "3:9"}, "method is never solve or auto"),
        (
            {"trainable_from": "none", "method": "auto"},
            {"solve_num_strengths": "3:9"},
            "augment is never False",
        ),
        (
            {"trainable_from": "none"},
            {"layer_decay": "0.5:0.9"},
            "trainable_from is never other",
        ),
        ({}, {"schedule_args.drop_factor": "0.1:0.5"}, "is never step"),
    ],
)
def test_a_field_that_another_overrules_is_refused(changes, space, message):
    config = get_config()
    config.phases.fine_tune.update_from_flattened_dict(changes)
    with pytest.raises(InputError, match=message):
        parse_space({FINE_TUNE + k: v for k, v in space.items()}, config)


def test_an_overruled_field_counts_where_one_group_still_follows_it():
    config = get_config()
    config.phases.fine_tune.groups.head.update(
        {"learning_rate": 0.1, "optimizer": "adam"}
    )
    assert not parse_one(RATE, "1e-4:1e-2", config).parent
    config.phases.fine_tune.optimizer = "sgd"
    assert not parse_one(FINE_TUNE + "momentum", "0.1:0.9", config).parent


def test_a_group_counts_in_trials_that_train_it():
    group = FINE_TUNE + "groups.upper.learning_rate_multiplier"
    space = parse_space(
        {group: "0.01:1", FINE_TUNE + "trainable_from": "none|stage4|stage5"},
        get_config(),
    )
    assert [f.name for f in space][1] == group
    assert space[1].parent_values == ("stage4", "stage5")


def test_augmentation_counts_in_trials_that_augment():
    config = get_config()
    config.phases.fine_tune.augment = False
    space = parse_space(
        {
            "data.augment.rotation_degrees": "0:30",
            FINE_TUNE + "augment": "true|false",
        },
        config,
    )
    hp = to_hyperparameters(space)
    rotation = "data.augment.rotation_degrees"
    for augments in (False, True):
        hp.values[FINE_TUNE + "augment"] = augments
        hp.ensure_active_values()
        assert hp.is_active(rotation) is augments
        assert space[1].is_active(hp.values) is augments


def test_what_is_true_or_false_stays_so(small_config, tmp_path):
    small_config.tuning.num_trials = 4
    plan = make_plan(
        small_config,
        {FINE_TUNE + "augment": "true|false", RATE: "1e-4:1e-2"},
    )
    oracle = build_oracle(plan, tmp_path)
    values = [
        oracle.create_trial(f"tuner{i}").hyperparameters.values
        for i in range(3)
    ]
    assert all(isinstance(v[FINE_TUNE + "augment"], bool) for v in values)
    narrowed = dataclasses.replace(plan.space[0], options=(True,))
    hp = to_hyperparameters((narrowed,))
    assert hp.values == {FINE_TUNE + "augment": True}


def test_a_chain_of_conditions_is_in_order():
    names = [
        FINE_TUNE + "momentum",
        FINE_TUNE + "groups.upper.optimizer",
        FINE_TUNE + "trainable_from",
    ]
    config = get_config()
    config.phases.fine_tune.groups.head.optimizer = "adam"
    config.phases.fine_tune.groups.lower.optimizer = "adam"
    texts = ("0.1:0.9", "sgd|adam", "none|stage5")
    space = parse_space(dict(zip(names, texts, strict=True)), config)
    assert [f.name for f in space] == names[::-1]


def test_fields_are_validated_together():
    with pytest.raises(InputError, match="MixUp and CutMix combine images"):
        parse_space(
            {
                "data.augment.mixup_alpha": "0:0.4",
                FINE_TUNE + "batch_size": "1:32",
            },
            get_config(),
        )
    config = get_config()
    config.phases.fine_tune.groups.upper.learning_rate_multiplier = 0.2
    with pytest.raises(InputError, match="both layer_decay and settings"):
        parse_one(FINE_TUNE + "layer_decay", "0.5:0.9", config)


def test_fields_of_solving_and_of_fitting_are_not_searched_together():
    names = {
        "phases.linear_probe.solve_num_strengths": "3:9",
        "phases.linear_probe.learning_rate": "1e-3:1",
    }
    with pytest.raises(InputError, match="has no effect beside"):
        make_plan(get_config(), names)
    by_method = {
        **names,
        "phases.linear_probe.method": "solve|fit",
    }
    plan = make_plan(get_config(), by_method)
    parents = {f.name: f.parent_values for f in plan.space if f.parent}
    assert parents == {
        "phases.linear_probe.solve_num_strengths": ("solve",),
        "phases.linear_probe.learning_rate": ("fit",),
    }


@pytest.mark.parametrize(
    "texts",
    [
        {"method": "solve|fit", "optimizer": "sgd|adam", "momentum": "0.5:0.9"},
        {
            "method": "solve|fit",
            "schedule": "constant|step",
            "schedule_args.drop_factor": "0.1:0.5",
        },
        {
            "trainable_from": "none|stage4",
            "groups.upper.optimizer": "sgd|adam",
            "momentum": "0.5:0.9",
        },
    ],
)
def test_keras_tuner_follows_a_chain_of_conditions(texts):
    names = [PROBE + name for name in texts]
    space = parse_space(
        dict(zip(names, texts.values(), strict=True)), get_config()
    )
    assert [field.name for field in space] == names
    hp = to_hyperparameters(space)
    first, second, third = names
    for field in space[:2]:
        hp.values[field.name] = space[space.index(field) + 1].parent_values[0]
        hp.ensure_active_values()
    assert hp.is_active(third)
    off = [o for o in space[0].options if o not in space[1].parent_values]
    hp.values[first] = off[0]
    hp.ensure_active_values()
    assert not hp.is_active(second)
    assert not hp.is_active(third)


def test_penalties_count_in_trials_that_fit():
    config = get_config()
    config.phases.fine_tune.epochs = 0
    penalty = {"model.head_l2": "1e-5:1:log"}
    space = parse_space({**penalty, PROBE + "method": "solve|fit"}, config)
    assert space[1].parent_values == ("fit",)
    with pytest.raises(InputError, match="method is never fit"):
        parse_space({**penalty, PROBE + "method": "solve|auto"}, config)


def test_a_method_that_is_found_out_fits_where_nothing_can_be_solved():
    space = parse_space(
        {FINE_TUNE + "method": "auto|fit", RATE: "1e-5:1e-2"}, get_config()
    )
    assert not space[1].parent


def test_a_magnitude_counts_where_there_are_layers():
    magnitude = "data.augment.randaugment_magnitude"
    space = parse_space(
        {
            FINE_TUNE + "augment": "true|false",
            "data.augment.randaugment_layers": "0|2",
            magnitude: "1:9",
        },
        get_config(),
    )
    assert space[2].name == magnitude
    assert space[2].parent == "data.augment.randaugment_layers"
    assert space[1].parent == FINE_TUNE + "augment"


def test_a_phase_that_is_left_out_is_named():
    config = get_config()
    config.phases.phase_order = ("linear_probe",)
    with pytest.raises(InputError, match=r"set --config\.phases\.phase_order"):
        parse_one(RATE, "1e-4:1e-2", config)


def test_the_tables_agree_with_what_they_are_about():
    assert set(SOLVED_HEADS) == {n for n, h in HEADS.items() if h.is_solvable}
    assert set(SMOOTHED_HEADS) == {
        n for n, head in HEADS.items() if head.loss.smooth_target
    }
    assert set(READERS) == set(schedule_section())
    for name, kinds in READERS.items():
        changed = {name: 0.5 * schedule_section()[name]}
        for kind in SCHEDULES:
            rates = [
                np.array(
                    make_learning_rate(
                        kind, 1.0, 2, ScheduleArgs(total_epochs=30, **args)
                    )(np.arange(60))
                )
                if kind != "constant"
                else 1.0
                for args in ({}, changed)
            ]
            is_same = np.array_equal(*rates)
            assert is_same == (kind not in kinds), (name, kind)
