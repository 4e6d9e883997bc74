import dataclasses

import pytest
from ml_collections import FieldReference

from tlkeras.config import get_config
from tlkeras.errors import InputError
from tlkeras.tuning.fields import apply_values, searchable_fields
from tlkeras.tuning.hyperparameters import to_hyperparameters
from tlkeras.tuning.oracles import build_oracle
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.space import parse_space
from tlkeras.tuning.space_texts import flatten_space, parse_space_flags

RATE = "phases.fine_tune.learning_rate"


def parse_one(name, text, config=None):
    (field,) = parse_space({name: text}, config or get_config())
    return field


def test_rates_and_strengths_are_searched_in_log_space():
    field = parse_one(RATE, "1e-6:1e-3")
    assert (field.kind, field.scale) == ("float", "log")
    assert field.from_unit(0.5) == pytest.approx(10**-4.5)
    assert field.to_unit(field.from_unit(0.3)) == pytest.approx(0.3)
    assert parse_one("model.dropout", "0:0.8").scale == "linear"
    assert parse_one(RATE, "0.1:0.2:linear").scale == "linear"
    assert parse_one("phases.fine_tune.batch_size", "8:64").kind == "int"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("model.head_l3", "1:2", "no field 'model.head_l3'.* Did you mean"),
        ("learning_rate", "1:2", "Did you mean 'phases"),
        ("seed", "1:2", "'seed' cannot be searched"),
        ("phases.fine_tune.epochs", "1:9", "cannot be searched"),
        ("model.head_l2", "1:1", "'1:1' of 'model.head_l2' is empty"),
        ("model.head_l2", "1e-1:1e-5", "is inverted; expected LOW below HIGH"),
        ("model.head_l2", "0:1", "log range '0:1' .*includes zero"),
        ("model.head_l2", "-1:1:log", "includes zero"),
        ("model.head_l2", "1:2:cubic", "scale 'cubic' of 'model.head_l2'"),
        ("model.head_l2", "a:b", "is no pair of numbers"),
        ("model.head", "linear", "one choice only; expected at least two"),
        ("model.head", "svm|svm", "one choice only"),
        ("model.head", "svm|lineal", "Did you mean 'linear'"),
        ("model.head", "1:2", "takes no range of numbers"),
        ("model.dropout", "0.1|high", "'high' of 'model.dropout' is no float"),
        ("model.dropout", "0.1:1.5", "model.dropout=1.5 is out of range"),
        ("phases.fine_tune.batch_size", "1.5:8", "broken numbers"),
        ("model.hidden_units", "8:64", "model.head is never mlp"),
        ("phases.fine_tune.momentum", "0.1:0.9", "optimizer is never sgd"),
    ],
)
def test_bad_ranges_are_one_sentence(name, text, message):
    with pytest.raises(InputError, match=message) as error:
        parse_one(name, text)
    assert "expected" in str(error.value).lower()


def test_a_field_of_a_phase_that_does_not_run_is_refused():
    config = get_config()
    config.phases.fine_tune.epochs = 0
    with pytest.raises(InputError, match="'fine_tune' has no epochs"):
        parse_one(RATE, "1e-4:1e-2", config)
    with pytest.raises(InputError, match="augment is never True"):
        parse_one("data.augment.rotation_degrees", "0:30", config)


def test_a_width_depends_on_the_head():
    space = parse_space(
        {"model.hidden_units": "8:64:log", "model.head": "linear|mlp|svm"},
        get_config(),
    )
    assert [f.name for f in space] == ["model.head", "model.hidden_units"]
    assert space[1].parent == "model.head"
    hp = to_hyperparameters(space)
    assert "model.hidden_units" not in hp.values
    hp.values["model.head"] = "mlp"
    hp.ensure_active_values()
    assert 8 <= hp.values["model.hidden_units"] <= 64
    with pytest.raises(InputError, match="never mlp"):
        parse_space(
            {"model.hidden_units": "8:64", "model.head": "linear|svm"},
            get_config(),
        )


def test_values_are_put_into_a_copy():
    config = get_config()
    changed = apply_values(
        config,
        {
            "model.hidden_units": 64,
            "data.augment.crop_area": "0.3,1",
            "data.augment.horizontal_flip": 0,
            "phases.fine_tune.clipnorm": 1,
            RATE: 0.5,
        },
    )
    assert changed.model.hidden_units == (64,)
    assert changed.data.augment.crop_area == (0.3, 1.0)
    assert changed.data.augment.horizontal_flip is False
    assert changed.phases.fine_tune.clipnorm == 1.0
    assert changed.phases.fine_tune.learning_rate == 0.5
    assert config == get_config()


def test_what_trials_are_measured_on_cannot_be_searched():
    names = searchable_fields(get_config())
    assert "phases.fine_tune.groups.upper.learning_rate_multiplier" in names
    assert not any(name.endswith(".epochs") for name in names)
    assert not any(name.startswith(("data.split", "seed")) for name in names)


def test_spaces_of_the_command_line_and_of_a_config_file():
    config = get_config()
    config.tuning.space = {"model": {"head_l2": "1e-5:1"}}
    assert flatten_space(config.tuning.space) == {"model.head_l2": "1e-5:1"}
    assert parse_space_flags(["model.head=a|b", "config.model.x=1:2"]) == {
        "model.head": "a|b",
        "model.x": "1:2",
    }
    with pytest.raises(InputError, match="is no FIELD=RANGE"):
        parse_space_flags(["model.head_l2"])
    with pytest.raises(InputError, match="twice"):
        parse_space_flags(["a=1:2", "a=2:3"])


def test_a_rate_that_may_be_a_word_is_searched_as_a_number():
    config = get_config()
    with config.unlocked():
        del config.phases.fine_tune.learning_rate
        config.phases.fine_tune.learning_rate = FieldReference(
            1e-3, field_type=object
        )
    field = parse_one(RATE, "1e-5:1e-1", config)
    assert (field.kind, field.scale) == ("float", "log")
    changed = apply_values(config, {RATE: 0.25})
    assert changed.phases.fine_tune.learning_rate == 0.25
    assert config.phases.fine_tune.learning_rate == 1e-3


FINE_TUNE = "phases.fine_tune."


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
