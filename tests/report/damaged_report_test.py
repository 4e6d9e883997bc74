"""Files of a finished run that somebody edited, or some disk wrote over."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.evaluation.evaluate import count_test_look
from tlkeras.report.embedding import build_embedding
from tlkeras.report.filters import build_filters
from tlkeras.report.run_files import read_run_files
from tlkeras.report.thumbnails import make_thumbnail

RECORDED = Path(__file__).parents[1] / "recorded" / "run"


@pytest.fixture
def directory(tmp_path):
    return Path(shutil.copytree(RECORDED, tmp_path / "run"))


def test_the_files_of_an_earlier_version_are_read(directory):
    files = read_run_files(directory)
    assert files.checks
    assert build_embedding(files)
    assert build_filters(files)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (workdir.LEDGER, "[]"),
        (workdir.LEDGER, "{}"),
        (workdir.LEDGER, '{"class_counts": 3}'),
        (workdir.CHECKS, "3"),
        (workdir.CHECKS, '{"checks": []}'),
        (workdir.CHECKS, '[{"name": 1}]'),
        (workdir.DIAGNOSIS, "{}"),
        (workdir.DIAGNOSIS, '{"findings": [{}]}'),
        (workdir.LR_FINDER, '{"fine_tune": 3}'),
        (workdir.LR_FINDER, '{"fine_tune": {"rates": ["a"]}}'),
        (workdir.TEST_LOOKS, "[]"),
        (workdir.TEST_LOOKS, '{"looks": [3]}'),
        (workdir.evaluation_name("validation"), "[]"),
        (workdir.evaluation_name("validation"), '{"loss": 0.1}'),
        (workdir.evaluation_name("test"), '{"per_class": []}'),
        (workdir.HISTORY, "phase,epoch,val/loss\nfine_tune,1,low\n"),
    ],
    ids=range(16),
)
def test_a_file_of_another_form_is_named(directory, name, text):
    (directory / name).write_text(text)
    with pytest.raises(InputError, match=f"{name}' is corrupt"):
        read_run_files(directory)


@pytest.mark.parametrize("name", ["val/loss", "val/top_1_accuracy"])
def test_a_figure_of_a_phase_that_is_none_or_gone_is_named(directory, name):
    path = directory / workdir.RESULT
    result = json.loads(path.read_text())
    result["phases"][0][name] = None
    path.write_text(json.dumps(result))
    with pytest.raises(InputError, match=f"{name} is None"):
        read_run_files(directory)
    del result["phases"][0][name]
    path.write_text(json.dumps(result))
    with pytest.raises(InputError, match="corrupt"):
        read_run_files(directory)


@pytest.mark.parametrize(
    ("name", "build"),
    [(workdir.CODES, build_embedding), (workdir.FILTERS, build_filters)],
)
@pytest.mark.parametrize(
    "arrays",
    [
        b"",
        b"PK\x03\x04",
        {"other": np.zeros(3)},
        {"codes": np.zeros(3), "labels": np.zeros(3)},
        {"before": np.zeros(3), "after": np.zeros(3)},
        {"codes": np.array([{}]), "before": np.array([{}])},
    ],
    ids=range(6),
)
def test_arrays_of_another_form_are_named(directory, name, build, arrays):
    files = read_run_files(directory)
    if isinstance(arrays, bytes):
        (directory / name).write_bytes(arrays)
    else:
        np.savez(directory / name, **arrays)
    with pytest.raises(InputError, match=f"{name}' is corrupt"):
        build(files)


def test_a_look_is_not_counted_over_a_damaged_record(directory):
    (directory / workdir.TEST_LOOKS).write_text("{}")
    with pytest.raises(InputError, match="corrupt"):
        count_test_look(directory, "evaluate")
    assert (directory / workdir.TEST_LOOKS).read_text() == "{}"


def test_a_picture_that_has_become_a_pipe_is_not_waited_for(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes with names")
    os.mkfifo(tmp_path / "photo.jpg")
    assert make_thumbnail(str(tmp_path / "photo.jpg")) == ""
    assert make_thumbnail("null\0byte.jpg") == ""
