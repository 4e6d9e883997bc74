import numpy as np
import pandas as pd
import pytest

from tlkeras.errors import InputError
from tlkeras.features.table import check_output, write_code_table
from tlkeras.training.code_table import compute_codes


@pytest.fixture
def codes_config(small_config, tmp_path, monkeypatch):
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))
    return small_config


@pytest.fixture(scope="module")
def table(make_small_config):
    return compute_codes(make_small_config())


def test_both_formats_hold_the_same(table, tmp_path):
    assert table.codes.shape == (80, 128)
    for suffix in (".npz", ".parquet"):
        write_code_table(table, tmp_path / f"codes{suffix}")
    arrays = np.load(tmp_path / "codes.npz")
    frame = pd.read_parquet(tmp_path / "codes.parquet")
    np.testing.assert_array_equal(arrays["codes"], table.codes)
    np.testing.assert_array_equal(np.stack(frame["codes"]), table.codes)
    assert list(frame["label"]) == list(arrays["labels"])
    assert set(arrays["splits"]) == {"train", "validation", "test"}
    for path, label in zip(frame["path"], frame["label"], strict=True):
        assert f"/{label}/" in path


def test_codes_can_be_normalised(codes_config, table):
    unit = compute_codes(codes_config, l2_normalize=True)
    norms = np.linalg.norm(table.codes, axis=1, keepdims=True)
    np.testing.assert_allclose(unit.codes, table.codes / norms, 1e-4, 1e-6)
    root = compute_codes(codes_config, l2_normalize=True, power=0.5)
    np.testing.assert_allclose(
        root.codes, np.sign(unit.codes) * np.abs(unit.codes) ** 0.5, 1e-4
    )


def test_augmented_copies_are_averaged(codes_config, table):
    plain = table.codes
    averaged = compute_codes(codes_config, augmented_copies=3).codes
    again = compute_codes(codes_config, augmented_copies=3).codes
    np.testing.assert_array_equal(averaged, again)
    difference = np.linalg.norm(averaged - plain) / np.linalg.norm(plain)
    assert 0.01 < difference < 1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"augmented_copies": 0}, "augmented_copies=0 is out of range"),
        ({"power": 0.0}, "power=0.0 is out of range"),
        ({"power": 1.5}, "power=1.5 is out of range"),
    ],
)
def test_bad_settings_are_refused(codes_config, change, text):
    with pytest.raises(InputError, match=text):
        compute_codes(codes_config, **change)


def test_a_bad_output_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.npz or \.parquet"):
        check_output(tmp_path / "codes.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        check_output(tmp_path / "file" / "codes.npz")
