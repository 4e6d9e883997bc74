import pytest
from ml_collections import FieldReference

from tlkeras.config import get_config
from tlkeras.errors import InputError
from tlkeras.tuning.space.fields import apply_values, searchable_fields
from tlkeras.tuning.space.hyperparameters import to_hyperparameters
from tlkeras.tuning.space.space import parse_space
from tlkeras.tuning.space.texts import flatten_space, parse_space_flags

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
        ("phases.fine_tune.batch_size", "16:1e400", "broken numbers"),
        ("phases.fine_tune.augment", "true|true", "fine_tune.augment=true to"),
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
