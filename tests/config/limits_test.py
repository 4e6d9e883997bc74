"""What no computer can do is refused before anything is read."""

import math
import re

import pytest

from tlkeras.config import get_config, validate
from tlkeras.config.dotted import get_value, set_value, walk
from tlkeras.config.fields import EXPORT_FORMATS, FIELDS, row_of
from tlkeras.errors import InputError, quote
from tlkeras.exporters.formats import FORMATS, TFLITE
from tlkeras.exporters.versions import choose_version, existing_versions

# Fields whose values are numbers, or None.
NUMBERS = [name for name, _ in walk(get_config()) if row_of(name).limits]


def test_every_range_has_two_ends():
    for row in FIELDS.values():
        assert row.limits is None or all(map(math.isfinite, row.limits[:2]))


def test_every_number_has_a_range():
    for name, value in walk(get_config()):
        is_number = isinstance(value, (int, float)) and value is not None
        if is_number and not isinstance(value, bool):
            assert row_of(name).limits, name


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_out_of_all_proportion_are_refused(name):
    default = get_value(get_config(), name)
    huge = [1e308] if isinstance(default, float) else [10**400, 10**5000]
    for value in huge:
        config = get_config()
        try:
            set_value(config, name, value)
        except (TypeError, ValueError, OverflowError):
            continue  # the config itself takes no such value
        with pytest.raises(InputError) as caught:
            validate(config)
        assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("phases.phase_order", (1, 2)),
        ("phases.phase_order", ("x" * 10_000,)),
        ("model.image_size", 10**8),
        ("model.hidden_units", (10**12,)),
        ("model.hidden_units", (True,)),
        ("model.hidden_units", (2.5,)),
        ("model.alpha", 1e308),
        ("features.num_views", 10**9),
        ("evaluation.bootstrap_samples", 10**12),
        ("tuning.num_trials", 10**9),
        ("runtime.num_workers", 100_000),
        ("data.augment.crop_area", (0, 0)),
        ("data.augment.crop_area", (True, True)),
        ("data.augment.crop_aspect", (10**400, 10**401)),
        ("data.split", (10**400, 0.5, 0.5)),
        ("data.split", (True, False, False)),
        ("export.formats", ("../..", None, 0)),
        ("export.formats", ("tfllite",)),
        ("data.tfds_splits", (1, 2, 3)),
        ("seed", 10**5000),
        ("model.head", "x" * 10_000),
    ],
    ids=range(21),
)
def test_what_means_nothing_is_refused_in_a_short_sentence(name, value):
    config = get_config()
    set_value(config, name, value)
    with pytest.raises(InputError, match=name.replace(".", r"\.")) as caught:
        validate(config)
    assert len(str(caught.value)) < 500


def test_the_ends_of_ranges_are_allowed():
    config = get_config()
    config.model.image_size = 4096
    config.features.max_cache_bytes = 2**50
    config.tuning.max_seconds = 30 * 86400.0
    config.data.augment.crop_area = (0.001, 1.0)
    config.export.formats = ("tflite", "onnx")
    validate(config)


def test_the_formats_of_the_config_are_those_of_the_exporters():
    assert set(EXPORT_FORMATS) == {*FORMATS, TFLITE}


@pytest.mark.parametrize(
    "version", [10**23, 2**31, 10**5000, 0, -1], ids=range(5)
)
def test_a_version_that_no_server_loads_is_refused(tmp_path, version):
    with pytest.raises(InputError, match="out of range"):
        choose_version(tmp_path, version)


def test_a_folder_of_such_a_number_spoils_no_later_version(tmp_path):
    (tmp_path / "3").mkdir()
    (tmp_path / "99999999999999999999999").mkdir()
    assert existing_versions(tmp_path) == {3}
    assert choose_version(tmp_path, None) == 4


def test_a_quoted_value_is_short():
    assert len(quote("x" * 10_000)) == 200
    assert "int of thousands of digits" in quote(10**5000)
    assert quote("cat") == "cat"


@pytest.mark.parametrize(
    "name", [name for name, value in walk(get_config()) if value is not None]
)
def test_none_is_no_value_where_the_default_is_one(name):
    config = get_config()
    set_value(config, name, None)
    with pytest.raises(InputError, match=f"{re.escape(name)}=None"):
        validate(config)
