"""Page and model card show what calibration changed."""

import shutil
from pathlib import Path

import pytest

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.evaluation.calibration import Calibration
from tlkeras.evaluation.calibration_gain import BeforeAfter, CalibrationGain
from tlkeras.report.page import write_report
from tlkeras.report.run_files import read_run_files
from tlkeras.report.text import format_evaluation

RECORDED = Path(__file__).parents[1] / "recorded" / "run"
GAIN = CalibrationGain(
    BeforeAfter(0.583, 0.492, (0.5, 0.66), (0.41, 0.57), (-0.13, -0.05)),
    BeforeAfter(0.136, 0.028, (0.1, 0.17), (0.0, 0.05), (-0.14, -0.07)),
    num_changed=3,
)


def change(directory, name, **values):
    path = directory / name
    workdir.write_json(path, {**workdir.read_json(path), **values})


@pytest.fixture
def directory(tmp_path):
    return Path(shutil.copytree(RECORDED, tmp_path / "run"))


@pytest.fixture
def calibrated(directory):
    fitted = Calibration((1.62,), num_images=250)
    change(directory, workdir.RESULT, calibration=fitted.as_dict())
    for split in ("validation", "test"):
        name = workdir.evaluation_name(split)
        change(directory, name, calibration=GAIN.as_dict())
    return directory


def read_both(directory):
    write_report(directory)
    return [
        (directory / name).read_text("utf-8")
        for name in (workdir.REPORT, workdir.MODEL_CARD)
    ]


def test_both_show_before_and_after_with_intervals(calibrated):
    for text in read_both(calibrated):
        assert "temperature 1.62, fitted on 250 validation images" in text
        assert text.count("0.583 [0.500, 0.660]") == 2  # of two splits
        assert "0.492 [0.410, 0.570]" in text
        assert "-0.091 [-0.130, -0.050]" in text
        assert "13.6 [10.0, 17.0]" in text
        assert "2.8 [0.0, 5.0]" in text
        assert "-10.8 [-14.0, -7.0]" in text
        assert "Answers that changed: 3 on validation, 3 on test." in text


def test_a_run_of_before_has_no_such_table(directory):
    for text in read_both(directory):
        assert "alibration" in text
        assert "temperature" not in text


def test_why_nothing_was_calibrated_is_said(directory):
    left = Calibration(num_images=8, reason="8 validation images for 10")
    change(directory, workdir.RESULT, calibration=left.as_dict())
    for text in read_both(directory):
        assert "temperature left at 1: 8 validation images for 10." in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (workdir.evaluation_name("test"), 3),
        (workdir.evaluation_name("test"), {"log_loss": {}}),
        (workdir.RESULT, {"temperature": [0.0], "shift": [0.0]}),
        (workdir.RESULT, {"temperature": 2.0}),
        (workdir.RESULT, {"temperature": [2, 2, 2], "shift": [0, 0, 0]}),
        (
            workdir.RESULT,
            {"temperature": [1], "shift": [0], "num_images": "many"},
        ),
    ],
    ids=range(6),
)
def test_a_damaged_calibration_is_named(directory, name, value):
    change(directory, name, calibration=value)
    with pytest.raises(InputError, match=f"{name}' is corrupt"):
        read_run_files(directory)


def test_evaluate_says_what_calibration_changed():
    changed = {
        "before": 0.5,
        "after": 0.25,
        "before_interval": [0.4, 0.6],
        "after_interval": [0.2, 0.3],
        "difference_interval": [-0.3, -0.2],
    }
    shown = format_evaluation(
        "test",
        {
            "num_examples": 10,
            "loss": 0.25,
            "per_class": {},
            "calibration": {
                "log_loss": changed,
                "expected_calibration_error": changed,
                "num_changed": 0,
            },
        },
    )
    assert "0.5000 -> 0.2500, -0.2500 [-0.3000, -0.2000]" in shown
