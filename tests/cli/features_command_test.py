"""`tlkeras features` into a folder, by processes and Beam, and its estimate."""

import re
import sys

import numpy as np
import pytest

from tlkeras.training import code_opening, estimate

from .conftest import run_command


@pytest.fixture
def run(config_file, photo_folder, tmp_path, monkeypatch, capsys):
    """Runs the command; returns its exit code and what it printed."""
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))

    def run(*arguments, command="features"):
        code = run_command(
            command,
            f"--config={config_file}",
            f"--data={photo_folder}",
            *arguments,
        )
        return code, "".join(capsys.readouterr())

    return run


def test_train_finds_the_codes_that_two_processes_wrote(run, tmp_path):
    folder = tmp_path / "codes"
    code, text = run(f"--output={folder}", "--processes=2")
    assert code == 0, text
    assert f"codes of 80 images are in {folder}" in text
    code, text = run(f"--output={folder}", "--processes=2")
    assert "every row is there" in text
    stored = f"--config.features.store={folder}"
    code, text = run(f"--output={tmp_path / 'codes.npz'}", stored)
    assert code == 0, text
    assert text.count(": 0 of ") == 3
    assert np.load(tmp_path / "codes.npz")["codes"].shape[0] == 80
    code, text = run(
        f"--workdir={tmp_path / 'run'}",
        stored,
        "--config.report.enabled=False",
        command="train",
    )
    assert code == 0, text
    assert text.count(": 0 of ") == 3


def test_a_folder_is_filled_by_one_process_too(run, tmp_path):
    code, text = run(f"--output={tmp_path / 'codes'}")
    assert code == 0, text
    assert [*(tmp_path / "codes").glob("*/*.npy")]


def test_an_estimate_needs_no_output_and_keeps_nothing(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr(estimate, "SAMPLE", 12)
    code, text = run("--estimate")
    assert code == 0, text
    assert "ms of a core" in text
    for number in ("80 ", "1,000,000 ", "1,000,000,000 "):
        assert f" {number}" in text
    assert not (tmp_path / "cache" / "activations").exists()


@pytest.mark.parametrize(
    "flag",
    ["output=codes.npz", "processes=2", "augmented_copies=3", "power=0.5"],
)
def test_an_estimate_ignores_no_flag(run, flag):
    code, text = run("--estimate", f"--{flag}")
    assert code == 2
    assert f"without --{flag.partition('=')[0]}; expected one of both" in text


def test_a_cluster_is_suggested_for_many_images_only(
    run, tmp_path, monkeypatch
):
    hint = "--beam_pipeline_options shares them out"
    _, text = run(f"--output={tmp_path / 'codes'}")
    assert hint not in text
    monkeypatch.setattr(code_opening, "MANY_IMAGES", 79)
    _, text = run(f"--output={tmp_path / 'codes'}")
    assert hint in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "No file is given; .*or a folder"),
        (["--output=OUT", "--processes=-1"], "--processes=-1 is out of range"),
        (
            [
                "--output=OUT",
                "--processes=2",
                "--beam_pipeline_options=runner=R",
            ],
            "two ways to share images out",
        ),
        (
            ["--output=OUT", "--l2_normalize"],
            "change a table, not the codes in a folder",
        ),
        (
            ["--output=OUT", "--processes=1", "--augmented_copies=2"],
            "--augmented_copies=2 is computed in one process only",
        ),
        (
            ["--output=OUT", "--config.features.store=other"],
            "name different folders",
        ),
        (
            ["--output=OUT.npz", "--config.features.store=s3://bucket/codes"],
            r"features\.store='s3://bucket/codes' is an address",
        ),
        (
            ["--output=OUT", "--config.features.cache=off"],
            "cannot be kept in a store",
        ),
        (
            ["--output=OUT", "--beam_pipeline_options=runner"],
            "Beam does not understand",
        ),
        (
            ["--output=OUT", "--config.data.max_bad_share=2"],
            "data.max_bad_share",
        ),
    ],
)
def test_what_means_nothing_is_refused(run, tmp_path, arguments, text):
    if "beam" in str(arguments):
        pytest.importorskip("apache_beam")
    where = str(tmp_path / "codes")
    code, said = run(*(a.replace("OUT", where) for a in arguments))
    assert code == 2
    assert re.search(text, said), said


def test_a_missing_extra_is_told(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(
        sys.modules, "tlkeras.features.beam_executor", raising=False
    )
    code, text = run(
        f"--output={tmp_path / 'codes'}", "--beam_pipeline_options=runner=R"
    )
    assert code == 2
    assert "pip install 'tlkeras[beam]'" in text
