"""Files of searches and by-products that were written over: one sentence."""

import shutil
from pathlib import Path

import pytest

from tlkeras import workdir
from tlkeras.checks.suite import Suite
from tlkeras.console import Console
from tlkeras.data.splits import read_split_file
from tlkeras.errors import InputError
from tlkeras.evaluation.evaluate import read_test_looks
from tlkeras.report.text import format_diagnosis
from tlkeras.tuning.store.search_clock import is_search_over
from tlkeras.tuning.trials.outcome import read_outcome

RECORDED = Path(__file__).parent / "recorded"
CORRUPT = "is corrupt and cannot be read"


def trial_folder():
    return next((RECORDED / "search").rglob(workdir.OUTCOME)).parent


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"stranger": 1}'])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        (workdir.OUTCOME, read_outcome),
        (workdir.TEST_LOOKS, read_test_looks),
        (workdir.DIAGNOSIS, format_diagnosis),
    ],
)
def test_what_lacks_its_entries_is_one_sentence(tmp_path, name, read, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=CORRUPT):
        read(tmp_path)


def test_what_is_whole_is_read(tmp_path):
    assert read_outcome(trial_folder()) is not None
    assert read_outcome(tmp_path) is None
    assert read_test_looks(RECORDED / "run")
    format_diagnosis(RECORDED / "run")


def test_a_clock_of_something_else_is_one_sentence(tmp_path):
    (tmp_path / workdir.SEARCH_CLOCK).write_text('{"stranger": 1}')
    with pytest.raises(InputError, match=CORRUPT):
        is_search_over(tmp_path)


@pytest.mark.parametrize("text", ["[3]", '{"a": 1}', "3", '[{"data": ""}]'])
def test_checks_of_something_else_are_one_sentence(tmp_path, text):
    (tmp_path / workdir.CHECKS).write_text(text)
    suite = Suite(tmp_path / workdir.CHECKS, Console(quiet=True), data="")
    with pytest.raises(InputError, match=CORRUPT):
        suite.write()


def test_an_archive_whose_directory_points_nowhere_is_damaged(tmp_path):
    source = RECORDED / "unfinished_run" / "checkpoints" / workdir.STATE
    content = bytearray(source.read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 16 : end + 20] = b"\xff\xff\xff\x7f"  # of the directory
    path = tmp_path / workdir.STATE
    path.write_bytes(content)
    from tlkeras.training.state import _open

    with pytest.raises(InputError, match=CORRUPT), _open(path) as stored:
        stored["record"]


def test_an_unknown_split_is_quoted_without_controls(tmp_path):
    path = tmp_path / "split.csv"
    shutil.copy(RECORDED / "run" / workdir.SPLIT, path)
    path.write_text(path.read_text().replace("validation", "va\x1b[2J", 1))
    with pytest.raises(InputError, match="has the split") as caught:
        read_split_file(path, moved_only=False)
    assert str(caught.value).isprintable()
