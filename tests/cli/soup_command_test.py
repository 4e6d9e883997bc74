"""`tlkeras soup` as a user types it."""

import json


def test_it_writes_a_run_and_says_what_it_is_worth(run, tmp_path, finished):
    output = tmp_path / "soup"
    code, out, _ = run("soup", f"--workdir={finished}", f"--output={output}")
    assert code == 0
    assert "soup of 1 of 1 runs" in out
    assert "against a run by chance" in out
    stored = json.loads((output / "soup.json").read_text())
    assert [row["run"] for row in stored["runs"]] == [str(finished)]
    code, out, _ = run("evaluate", f"--workdir={output}")
    assert code == 0


def test_bad_input_is_one_sentence(run, tmp_path, finished):
    for arguments, expected in (
        ([f"--workdir={finished}"], "expected --output=DIR"),
        ([f"--output={tmp_path / 'a'}"], "No run is given"),
        (
            [f"--workdir={finished},{tmp_path}/b", f"--output={tmp_path}/a"],
            "is no run directory",
        ),
    ):
        code, _, err = run("soup", *arguments)
        assert code == 2
        assert expected in err
        assert err.count("\n") == 1
    assert not (tmp_path / "a").exists()
