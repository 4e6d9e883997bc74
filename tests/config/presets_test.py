import itertools

import pytest

from tlkeras.config import apply_preset, config_hash, get_config, validate
from tlkeras.config.dotted import get_value, set_value
from tlkeras.config.presets import PRESETS
from tlkeras.errors import InputError


def preset_config(name, keep=()):
    config = get_config()
    config.data.source = "digits"
    apply_preset(config, name, keep)
    return config


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_in_its_fields_and_no_other(name):
    config = preset_config(name)
    validate(config)
    expected = get_config()
    expected.data.source = "digits"
    expected.preset = name
    for field, value in PRESETS[name].fields().items():
        assert get_value(config, field) == value
        set_value(expected, field, value)
    assert config == expected


def test_fields_that_are_kept_win():
    config = preset_config("accurate", keep=["model.image_size"])
    assert config.model.backbone == "ConvNeXtTiny"
    assert config.model.image_size is None


def test_the_fields_count_and_not_the_name():
    config = preset_config("balanced")
    named = config_hash(config)
    config.preset = ""
    assert config_hash(config) == named
    assert config_hash(preset_config("fast")) != named


def test_a_name_without_its_fields_is_refused():
    config = get_config()
    config.preset = "balanced"
    with pytest.raises(InputError, match="call apply_preset"):
        validate(config)
    with pytest.raises(InputError, match="Unknown preset 'quick'"):
        apply_preset(config, "quick")


def test_dearer_presets_are_better_and_slower():
    rows = list(PRESETS.values())
    for cheaper, dearer in itertools.pairwise(rows):
        assert cheaper.imagenet_top_1 < dearer.imagenet_top_1
        assert cheaper.codes_per_second > dearer.codes_per_second
        assert cheaper.trained_per_second > dearer.trained_per_second
