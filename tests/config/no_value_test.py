"""Values that no field can hold, found by drawing a hundred thousand."""

from pathlib import Path

import pytest

from tlkeras.config import config_hash, get_config, validate
from tlkeras.config.dotted import get_value, set_value, walk
from tlkeras.config.run_directory import open_run_directory, read_config
from tlkeras.errors import InputError, quote

REQUIRED = [name for name, value in walk(get_config()) if value is not None]
OPTIONAL = [name for name, value in walk(get_config()) if value is None]
TEXTS = [
    name for name in REQUIRED if isinstance(dict(walk(get_config()))[name], str)
]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_field_that_has_a_default_cannot_be_none(name):
    config = get_config()
    with config.unlocked():
        set_value(config, name, None)
    with pytest.raises(InputError, match="None is no value"):
        validate(config)


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_field_that_has_none_can(name):
    config = get_config()
    set_value(config, name, None)
    validate(config)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    "text",
    ["x" * 10_000, "a/" * 3000, "日" * 86, "nul\0", "x" * 256],
    ids=range(5),
)
def test_a_text_that_names_nothing_anywhere_is_refused_in_short(name, text):
    config = get_config()
    set_value(config, name, text)
    with pytest.raises(InputError) as caught:
        validate(config)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", ["x" * 255, "日" * 85, "a/" * 1999 + "b"], ids=range(3)
)
def test_the_longest_names_are_allowed_and_hashed(text):
    config = get_config()
    config.data.split_file = text
    validate(config)
    config_hash(config)


def test_a_weights_file_of_no_name_is_hashed_as_text():
    config = get_config()
    config.model.weights = "x" * 10_000
    assert config_hash(config) != config_hash(get_config())


@pytest.mark.parametrize(
    "text", ["two\nlines", "\x1b[2J", "a\u202eb", "\ud800"]
)
def test_a_refusal_is_one_printable_line(text):
    config = get_config()
    config.model.head = text
    with pytest.raises(InputError) as caught:
        validate(config)
    assert str(caught.value).isprintable()


def test_a_number_among_words_may_have_thousands_of_digits():
    config = get_config()
    config.data.tfds_splits = (10**5000, "b", "c")
    with pytest.raises(InputError, match="thousands of digits"):
        validate(config)


def test_quoting_is_bounded_whatever_has_to_be_spelled_out():
    assert quote("\x1b" * 10_000, limit=50) == "\\x1b" * 11 + "\\x1..."
    assert quote("Zoë 日本") == "Zoë 日本"
    assert quote(10**5000, form=repr) == "a int of thousands of digits"


def test_another_run_s_long_value_is_quoted_in_short(tmp_path):
    config = get_config()
    config.data.tfds_splits = ("x" * 5000, "b", "c")
    open_run_directory(tmp_path, config)
    (tmp_path / "result.json").write_text("{}")
    assert get_value(read_config(tmp_path), "data.tfds_splits")
    with pytest.raises(InputError, match="belongs to another config") as caught:
        open_run_directory(tmp_path, get_config())
    assert len(str(caught.value)) < 800


@pytest.mark.skipif(
    not Path("/proc/self/mem").exists(), reason="a file of Linux"
)
@pytest.mark.parametrize("field", ["data.split_file", "model.weights"])
def test_a_file_that_cannot_be_read_is_named(field):
    """Its first byte is at no address, whoever asks."""
    config = get_config()
    config.update_from_flattened_dict({field: "/proc/self/mem"})
    with pytest.raises(InputError, match="'/proc/self/mem' cannot be read"):
        config_hash(config)
