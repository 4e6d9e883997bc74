"""What `evaluate` and `predict` say of a finished run."""

import csv
import io
import json

import numpy as np
import pytest

from tlkeras import workdir


def test_evaluate_prints_metrics_and_counts_looks(run, finished):
    code, out, _ = run("evaluate", f"--workdir={finished}")
    assert code == 0
    assert "top_1_accuracy" in out
    result = workdir.read_json(finished / workdir.RESULT)
    metrics = workdir.read_json(finished / "evaluation_validation.json")
    assert metrics["top_1_accuracy"] == result["val/top_1_accuracy"]
    before = workdir.read_json(finished / workdir.TEST_LOOKS)["count"]
    code, out, _ = run("evaluate", f"--workdir={finished}", "--split=test")
    assert f"looks at the test split so far: {before + 1}" in out


def test_predict_writes_csv_rows_and_names_bad_files(
    run, finished, photo_folder, tmp_path
):
    bad = tmp_path / "bad.jpg"
    bad.write_text("rubbish")
    code, out, _ = run(
        "predict",
        f"--workdir={finished}",
        photo_folder / "china",
        bad,
        tmp_path / "absent.jpg",
    )
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 1
    assert list(rows[0]) == ["path", "label", "score", "error"]
    assert len(rows) == 42
    assert "not a JPEG" in rows[40]["error"]
    assert "cannot be read" in rows[41]["error"]
    assert np.mean([row["label"] == "china" for row in rows[:40]]) > 0.8


def test_predict_json_has_all_probabilities(run, finished, photo_folder):
    code, out, _ = run(
        "predict",
        f"--workdir={finished}",
        "--format=json",
        photo_folder / "flower",
    )
    rows = json.loads(out)
    assert code == 0
    assert len(rows) == 40
    for row in rows:
        assert set(row["probabilities"]) == {"china", "flower"}
        assert sum(row["probabilities"].values()) == pytest.approx(1.0)
        assert row["score"] == max(row["probabilities"].values())


def test_predictions_are_those_of_the_evaluation(run, finished):
    answers = workdir.read_table(
        finished / workdir.predictions_name("validation")
    )
    _, out, _ = run(
        "predict", f"--workdir={finished}", *(row["path"] for row in answers)
    )
    for row, answer in zip(
        csv.DictReader(io.StringIO(out)), answers, strict=True
    ):
        assert row["label"] == answer["predicted"]
        assert float(row["score"]) == pytest.approx(
            float(answer["probability"]), abs=1e-5
        )
