"""`tlkeras heatmap` as a user types it."""

import json
import shutil

import pytest

from tlkeras.evaluation.evaluate import read_test_looks


def test_overlays_and_json_lie_in_the_run(
    run, finished, photo_folder, tmp_path
):
    for number in range(3):
        shutil.copy(photo_folder / f"china/{number:02d}.jpg", tmp_path)
    code, out, err = run("heatmap", f"--workdir={finished}", tmp_path)
    assert code == 0, err
    folder = finished / "heatmaps"
    found = json.loads((folder / "heatmaps.json").read_text())
    assert len(found["images"]) == 3
    for row in found["images"]:
        assert (folder / row["overlay"]).exists()
        assert list(row["classes"]) == [row["label"]]
        assert row["deviation"] < 1e-4
    assert "the mean of the class maps is the logits" in out


def test_a_bad_image_has_its_row_and_exit_code_1(
    run, finished, photo_folder, tmp_path
):
    (tmp_path / "letter.jpg").write_text("Dear Sir or Madam")
    code, out, _ = run(
        "heatmap",
        f"--workdir={finished}",
        f"--output={tmp_path / 'out'}",
        "--method=windows",
        "--scales=2",
        "--classes=china,flower",
        tmp_path / "letter.jpg",
        photo_folder / "china" / "00.jpg",
    )
    assert code == 1
    bad, good = json.loads((tmp_path / "out" / "heatmaps.json").read_text())[
        "images"
    ]
    assert bad["error"]
    assert list(good["classes"]) == ["china", "flower"]
    assert set(good["image_scores"]) == {"sum", "sum_of_powers"}
    assert "letter.jpg: " in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "No image is given"),
        (["--classes=flowr", "x.jpg"], "Did you mean 'flower'"),
        (["--method=cam", "x.jpg"], "Unknown method 'cam'"),
        (["--size=50", "x.jpg"], "multiple of its stride"),
        (["--scales=2", "x.jpg"], "no effect on --method=dense"),
        (["--method=windows", "--scales=a", "x.jpg"], "no list of numbers"),
        (["--method=windows", "--scales=.5", "x.jpg"], "out of range"),
        (["--method=windows", "--size=64", "x.jpg"], "no effect on method"),
        (["--split=validation"], "images of four classes"),
        (["--split=validation", "x.jpg"], "Both --split=validation and"),
        (["--split=valid"], "Unknown split 'valid'"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence(run, finished, tmp_path, arguments, text):
    code, _, err = run(
        "heatmap",
        f"--workdir={finished}",
        f"--output={tmp_path / 'out'}",
        *arguments,
    )
    assert code == 2
    assert text in err
    assert err.count("tlkeras:") == 1
    assert not list(tmp_path.glob("out/*.json"))


def test_a_look_at_the_test_split_is_counted(run, finished):
    before = len(read_test_looks(finished))
    run("heatmap", f"--workdir={finished}", "--split=test")
    assert len(read_test_looks(finished)) == before + 1
