"""The names of `result.json`: what is written is read again."""

import json

import pytest

from tlkeras.evaluation.phase_details import (
    GroupRow,
    PhaseComparison,
    PhaseDetails,
)
from tlkeras.evaluation.records import PhaseRecord, RunResult, SplitScore


def make_result(**changes):
    solved = PhaseRecord(
        "probe",
        best_epoch=1,
        metrics={"loss": 1.0, "top_1_accuracy": 0.5},
        details=PhaseDetails(l2=1.0, tried=((1.0, 0.5), (0.1, 0.4))),
    )
    fitted = PhaseRecord(
        "tune",
        kept=True,
        best_epoch=3,
        metrics={"loss": 0.5, "top_1_accuracy": 0.75},
        comparison=PhaseComparison("probe", "top-1 accuracy", 0.25, (0.1, 0.4)),
        details=PhaseDetails(layer_groups=(GroupRow("head", "a", "b"),)),
    )
    values = {
        "class_names": ("cat", "dog"),
        "scores": {
            "val": SplitScore(0.75, 0.5, 12),
            "test": SplitScore(0.5, 1.0, 8),
        },
        "seconds": {"features": 0.0, "probe": 1.0, "total": 2.0},
        "best_phase": "tune",
        "phases": (solved, fitted),
        "versions": {"keras": "3"},
        **changes,
    }
    return RunResult(**values)


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_result_comes_back_from_its_file(multi_label):
    result = make_result(multi_label=multi_label)
    stored = json.loads(json.dumps(result.as_dict()))
    assert RunResult.from_dict(stored) == result
    assert stored[f"val/{result.metric}"] == 0.75
    assert stored["seconds/probe"] == 1.0


def test_the_file_keeps_its_order():
    values = make_result().as_dict()
    assert list(values) == [
        "class_names",
        "multi_label",
        "image_size",
        "image_definition",
        "loss",
        "num_parameters",
        "trainable_parameters",
        "val/top_1_accuracy",
        "val/loss",
        "val/num_examples",
        "test/top_1_accuracy",
        "test/loss",
        "test/num_examples",
        "seconds/features",
        "seconds/probe",
        "seconds/total",
        "best_phase",
        "best_epoch",
        "phases",
        "versions",
    ]
    start = ["phase", "kept", "best_epoch", "val/loss", "val/top_1_accuracy"]
    start += ["stopped", "seconds", "comparison"]
    solved, fitted = values["phases"]
    assert list(solved) == [*start, "l2", "tried"]
    assert list(fitted) == [*start, "layer_groups"]


def test_keys_of_other_versions_do_no_harm():
    stored = make_result().as_dict()
    del stored["versions"], stored["test/num_examples"]
    del stored["phases"][1]["comparison"]["score"]
    stored["new"] = stored["val/new"] = stored["phases"][0]["new"] = 1
    stored["phases"][1]["layer_groups"][0]["new"] = 1
    read = RunResult.from_dict(stored)
    assert read.versions == {}
    assert read.scores["test"] == SplitScore(0.5, 1.0)
    assert read.phases[1].comparison.difference == 0.25
    assert read.phases[1].is_fitted
    assert not read.phases[0].is_fitted


def test_a_run_without_a_test_split_has_no_score_of_it():
    result = make_result(scores={"val": SplitScore(0.75, 0.5, 12)})
    assert set(RunResult.from_dict(result.as_dict()).scores) == {"val"}
