"""What an earlier version wrote, tests/recorded/, is read and gone on with."""

import csv
import io
import shutil
from pathlib import Path

import pytest

from tlkeras import workdir

RECORDED = Path(__file__).parent.parent / "recorded"
GIVEN = (f"--config={RECORDED / 'config.py'}", "--data=digits", "--quiet")
SLACK = 1e-4  # of figures between one processor and another


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("shared")


@pytest.fixture
def copied(tmp_path, monkeypatch, shared_cache):
    """Returns a function: name -> its path, relative to where commands run."""
    # The recorded paths of images begin with cache/.
    (tmp_path / "cache").symlink_to(shared_cache)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TLKERAS_CACHE", "cache")

    def copy(name):
        return Path(shutil.copytree(RECORDED / name, name))

    return copy


def read_files(directory):
    return {
        path: path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_the_report_shows_the_recorded_figures(run, copied):
    directory = copied("run")
    result = workdir.read_json(directory / workdir.RESULT)
    assert run("report", f"--workdir={directory}")[0] == 0
    page = (directory / workdir.REPORT).read_text("utf-8")
    assert f"{100 * result['test/top_1_accuracy']:.1f}" in page
    for phase in result["phases"]:
        assert phase["phase"] in page
    assert page.count("<svg") >= 4
    assert (directory / workdir.MODEL_CARD).exists()


def test_the_report_of_a_tuned_run_tells_of_its_search(run, copied):
    directory = copied("search") / workdir.TUNED_RUN
    tuning = workdir.read_json(directory / workdir.TUNING)
    assert run("report", f"--workdir={directory}")[0] == 0
    page = (directory / workdir.REPORT).read_text("utf-8")
    assert 'id="tuning"' in page
    assert f"({len(tuning['trials'])} / {len(tuning['trials'])})" in page


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluate_measures_what_was_recorded(run, copied, split):
    directory = copied("run")
    path = directory / workdir.evaluation_name(split)
    looks = workdir.read_json(directory / workdir.TEST_LOOKS)["count"]
    before = workdir.read_json(path)
    path.unlink()
    code, _, err = run("evaluate", f"--workdir={directory}", f"--split={split}")
    assert code == 0, err
    after = workdir.read_json(path)
    assert list(after) == list(before)
    table = "confusion_matrix"
    assert after.pop(table) == before.pop(table)
    for name, row in before.pop("per_class").items():
        assert after["per_class"][name] == pytest.approx(row, abs=SLACK)
    for name, value in before.items():
        assert after[name] == pytest.approx(value, abs=SLACK), name
    looked = workdir.read_json(directory / workdir.TEST_LOOKS)["count"]
    assert looked == looks + (split == "test")


def test_predict_answers_as_recorded(run, copied):
    from tlkeras.data.builtin import list_builtin

    directory = copied("run")
    list_builtin("digits")  # writes the images
    recorded = workdir.read_table(
        directory / workdir.predictions_name("validation")
    )[:64]
    code, out, err = run(
        "predict",
        f"--workdir={directory}",
        *(row["path"] for row in recorded),
    )
    assert code == 0, err
    rows = csv.DictReader(io.StringIO(out))
    for row, answer in zip(rows, recorded, strict=True):
        assert row["label"] == answer["predicted"]
        assert float(row["score"]) == pytest.approx(
            float(answer["probability"]), abs=SLACK
        )


def test_the_recorded_run_is_exported(run, copied):
    directory = copied("run")
    result = workdir.read_json(directory / workdir.RESULT)
    code, _, err = run(
        "export",
        f"--workdir={directory}",
        "--output=models/digits",
        "--formats=saved_model",
        "--quiet",
    )
    assert code == 0, err
    record = workdir.read_json(Path("models/digits") / workdir.EXPORT)
    assert record["keras_accuracy"] == pytest.approx(
        result["val/top_1_accuracy"], abs=SLACK
    )
    assert record["formats"]["saved_model"]["drop"] == pytest.approx(0)
    assert Path("models/digits/1/saved_model.pb").exists()


def test_the_finished_run_is_shown_again_and_left_as_it_was(run, copied):
    directory = copied("run")
    files = read_files(directory)
    code, out, err = run(
        "train",
        *GIVEN,
        f"--workdir={directory}",
        "--config.report.enabled=False",
    )
    assert code == 0, err
    assert "linear_probe   val/top_1_accuracy 0.8160" in out
    assert read_files(directory) == files


def test_the_finished_search_is_only_read(run, copied):
    directory = copied("search")
    files = read_files(directory)
    code, out, err = run("tune", *GIVEN, f"--workdir={directory}")
    assert code == 0, err
    trials = workdir.read_json(directory / workdir.TUNING)["trials"]
    assert out.count("val_acc:") == len(trials)
    assert read_files(directory) == files


def test_the_unfinished_run_goes_on_after_its_last_epoch(run, copied):
    directory = copied("unfinished_run")
    before = workdir.read_table(directory / workdir.HISTORY)
    code, _, err = run(
        "train",
        *GIVEN,
        f"--workdir={directory}",
        "--config.phases.fine_tune.epochs=5",
        "--config.report.enabled=False",
    )
    assert code == 0, err
    after = workdir.read_table(directory / workdir.HISTORY)
    # Committed, thus not trained again: even the seconds are the recorded ones.
    assert after[:2] == before[:2]
    # Killed before its commit, and trained again from the state before it.
    for name in ("train/loss", "val/loss", "learning_rate/head"):
        figures = float(after[2][name]), float(before[2][name])
        assert figures[0] == pytest.approx(figures[1], rel=SLACK), name
    assert [row["epoch"] for row in after] == ["1", "1", "2", "3", "4", "5"]
    assert workdir.read_json(directory / workdir.RESULT)["phases"]


def test_the_unfinished_search_goes_on_after_its_last_trial(run, copied):
    directory = copied("unfinished_search")
    outcomes = {
        path: path.read_bytes()
        for path in directory.glob(f"*/*/{workdir.OUTCOME}")
    }
    code, _, err = run(
        "tune",
        *GIVEN,
        f"--workdir={directory}",
        "--config.tuning.num_trials=8",
        "--config.tuning.compare=False",
        "--config.report.enabled=False",
    )
    assert code == 0, err
    assert len(outcomes) == 6
    assert {path: path.read_bytes() for path in outcomes} == outcomes
    result = workdir.read_json(directory / workdir.TUNING)
    assert [t["status"] for t in result["trials"]] == ["completed"] * 8
