"""One process at a time in the directory of a run, a search or an export."""

import errno
import threading

import filelock
import pytest

from tlkeras import workdir
from tlkeras.config.run_directory import own_run_directory
from tlkeras.errors import InputError
from tlkeras.locks import sole_use
from tlkeras.studies.lr_search import find_phase_rates
from tlkeras.studies.preflight import run_preflight
from tlkeras.training.trainer import train_and_evaluate
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.tune import tune

BUSY = "Another process is at work"


@pytest.mark.parametrize(
    "command", [train_and_evaluate, run_preflight, find_phase_rates]
)
@pytest.mark.parametrize("seed", [0, 1], ids=["same", "other"])
def test_a_run_that_goes_on_is_nobody_elses(
    tmp_path, make_small_config, command, seed
):
    with own_run_directory(tmp_path / "run", make_small_config()) as opened:
        _, directory = opened
        before = (directory / workdir.CONFIG).read_bytes()
        with pytest.raises(InputError, match=BUSY):
            command(make_small_config({"seed": seed}), directory)
        assert (directory / workdir.CONFIG).read_bytes() == before


def test_a_search_that_goes_on_is_nobody_elses(tmp_path, small_config):
    plan = make_plan(small_config, {"model.dropout": "0:0.5"})
    tmp_path.joinpath("search").mkdir()
    with (
        sole_use(tmp_path / "search"),
        pytest.raises(InputError, match=BUSY),
    ):
        tune(small_config, plan, tmp_path / "search")


def test_threads_are_kept_out_too(tmp_path):
    found = []

    def enter():
        try:
            with sole_use(tmp_path):
                found.append("in")
        except InputError:
            found.append("out")

    with sole_use(tmp_path):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
    enter()
    assert found == ["out", "in"]


def test_a_refused_folder_gets_no_lock(tmp_path, small_config):
    (tmp_path / "photo.jpg").write_bytes(b"somebody's")
    with (
        pytest.raises(InputError, match="holds other files"),
        own_run_directory(tmp_path, small_config),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_finished_run_is_only_read_and_by_many(tmp_path, small_config):
    with own_run_directory(tmp_path / "run", small_config) as (_, directory):
        pass
    (directory / workdir.LOCK).unlink()
    (directory / workdir.RESULT).write_text("{}")
    before = sorted(directory.iterdir())
    with (
        own_run_directory(directory, small_config),
        own_run_directory(directory, small_config),
    ):
        assert sorted(directory.iterdir()) == before


def test_the_error_of_a_lock_survives_what_happened_inside(tmp_path):
    def fail():
        with sole_use(tmp_path):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with sole_use(tmp_path):
        pass


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_ends_no_work(tmp_path, monkeypatch, capsys, code):
    def refuse(*_, **__):
        raise OSError(code, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with sole_use(tmp_path):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert "knows no locks" in line
