"""A chief and workers that share a bucket, and no disk."""

import os
import subprocess
import sys

import pytest
from keras_tuner.engine.trial import TrialStatus

from tests.tuning.chief_test import WORKER
from tlkeras import remote_listing, workdir
from tlkeras.remote_directory import working_in
from tlkeras.tuning import address, chief
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.run_search import run_search
from tlkeras.tuning.store.search_clock import is_search_over
from tlkeras.tuning.store.search_directory import (
    open_search_directory,
    write_given_config,
)
from tlkeras.tuning.trials.outcome import read_outcomes
from tlkeras.tuning.tune import start_search

NUM_TRIALS = 6


@pytest.fixture
def plan(small_config):
    small_config.tuning.mode = "full"
    small_config.tuning.oracle = "random"
    small_config.tuning.num_trials = NUM_TRIALS
    return make_plan(small_config, {"model.dropout": "0.1:0.9"})


@pytest.fixture
def start_worker(plan, tmp_path, monkeypatch):
    """Starts a worker as on a machine of its own; ends it in the end."""
    monkeypatch.setenv(address.IP, "127.0.0.1")
    monkeypatch.setenv(address.PORT, str(chief._free_port()))
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    config = write_given_config(tmp_path / "given.py", plan.config, plan)
    started = []

    def start(name, machine, url):
        process = subprocess.Popen(
            [
                *(sys.executable, str(script), "tune"),
                *(f"--config={config}", f"--workdir={url}"),
            ],
            stdout=(tmp_path / f"{machine}.log").open("ab"),
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                address.TUNER: name,
                "TLKERAS_CACHE": str(tmp_path / machine),
            },
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def stored_trials(url):
    """Trial -> names of its files in the store."""
    found = {}
    for file in remote_listing.list_files(f"{url}/{workdir.TRIALS}"):
        folder, _, name = file.name.partition("/")
        if name:
            found.setdefault(folder, set()).add(name)
    return found


def test_workers_need_no_disk_of_their_chiefs(
    plan, s3_url, start_worker, listening_console, tmp_path, monkeypatch
):
    url = f"{s3_url}/search"
    workers = [start_worker(f"gpu{i}", f"machine{i}", url) for i in range(2)]
    moved = []
    read = chief.read_outcomes

    def read_and_move(store):
        """Lets a worker die, and go on elsewhere, when two have ended."""
        outcomes = read(store)
        if len(outcomes) >= 2 and not moved:
            workers[0].kill()
            workers[0].wait()
            moved.append(start_worker("gpu0", "machine2", url))
        return outcomes

    monkeypatch.setattr(chief, "read_outcomes", read_and_move)
    monkeypatch.setenv(address.TUNER, "chief")
    with working_in(url, tmp_path / "chief") as directory:
        open_search_directory(directory, plan)
        context = start_search(plan.config, plan, directory, listening_console)
        run_search(context)
        outcomes = read_outcomes(context.store)
    assert len(outcomes) == NUM_TRIALS
    assert all(outcome.is_completed for outcome in outcomes)
    for process in [workers[1], *moved]:
        assert process.wait(60) == 0
    for machine in ("machine1", "machine2"):
        said = (tmp_path / f"{machine}.log").read_text()
        assert "trials" in said
    # Another machine finds all of it.
    with working_in(url, tmp_path / "later") as directory:
        assert read_outcomes(directory / workdir.TRIALS) == outcomes
        assert is_search_over(directory)
    assert len(stored_trials(url)) == NUM_TRIALS


def test_a_chief_elsewhere_knows_the_trials_that_workers_hold(
    plan, memory_url, listening_console, tmp_path
):
    url = f"{memory_url}/search"
    with working_in(url, tmp_path / "chief") as directory:
        open_search_directory(directory, plan)
        context = start_search(plan.config, plan, directory, listening_console)
        shared = chief.SharedOracle(context.oracle, directory)
        trial = shared.create_trial("gpu0")
        assert stored_trials(url) == {f"trial_{trial.trial_id}": {"trial.json"}}
        names = {file.name for file in remote_listing.list_files(url)}
        assert f"{workdir.TRIALS}/oracle.json" in names
        assert shared.ongoing_trials == {"gpu0": trial}  # the oracle's own
        context.oracle.end_search("the time is up")
        shared.ongoing_trials.clear()
        assert shared.create_trial("gpu0").status == TrialStatus.STOPPED
        with working_in(url, tmp_path / "elsewhere") as there:
            assert is_search_over(there)
