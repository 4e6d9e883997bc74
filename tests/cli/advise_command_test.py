"""`tlkeras advise` on the command line."""

import json

import pytest


def test_advice_is_printed_with_flags_to_paste(
    run, config_file, photo_folder, tmp_path
):
    code, out, err = run(
        "advise",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={tmp_path}",
        "--folds=2",
        "--quiet",
    )
    assert code == 0, err
    result = json.loads((tmp_path / "advice.json").read_text())
    assert f"flags: {' '.join(result['flags'])}" in out
    assert (tmp_path / "advice.png").exists()


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--folds=1", "--folds=1 is out of range"),
        ("--max_images=5", "--max_images=5 is out of range"),
        ("--config.data.split=(.8, 0., .2)", "has no validation image"),
    ],
)
def test_bad_flags_are_one_sentence(
    run, config_file, photo_folder, tmp_path, flag, text
):
    folder = tmp_path / "advice"
    code, _, err = run(
        "advise",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={folder}",
        "--measure",
        flag,
    )
    assert code == 2
    assert text in err
    assert "Traceback" not in err
    assert not folder.exists()
