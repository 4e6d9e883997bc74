"""One chief and two workers, real processes and gRPC, trainings in no time."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from threadpoolctl import threadpool_info

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.errors import InputError
from tlkeras.tuning import address, chief
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.run_search import run_search
from tlkeras.tuning.store.oracles import build_oracle
from tlkeras.tuning.store.search_clock import is_search_over
from tlkeras.tuning.store.search_directory import (
    describe_search,
    open_search_directory,
)
from tlkeras.tuning.trials import full_trials
from tlkeras.tuning.trials.outcome import read_outcomes, store_of
from tlkeras.tuning.tune import start_search
from tlkeras.tuning.worker import work

# A worker whose trials take a second and a half each.
WORKER = """
import sys
from tlkeras.tuning.trials import full_trials
from tlkeras.cli.main import main

TRAIN = '''
import json, pathlib, sys, time
run = pathlib.Path(sys.argv[1]); run.mkdir(parents=True, exist_ok=True)
with open(run / "starts", "a") as file: file.write("x")
time.sleep(1.5)
phase = {"phase": "fine_tune", "stopped": "", "best_epoch": 1,
         "val/top_1_accuracy": 0.5, "val/loss": 0.5}
(run / "result.json").write_text(
    json.dumps({"class_names": ["a", "b"], "phases": [phase]}))
'''

def command(config_file, directory):
    return [sys.executable, "-S", "-c", TRAIN, str(directory)]

full_trials.train_command = command
main(["tlkeras", *sys.argv[1:]])
"""


@pytest.fixture
def worker_config(small_config):
    small_config.tuning.workers = 2
    small_config.tuning.num_trials = 12
    small_config.tuning.stages = 2
    return small_config


def test_a_killed_worker_comes_back_under_its_id_and_nothing_is_lost(
    listening_console, worker_config, tmp_path, monkeypatch
):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    monkeypatch.setattr(
        chief,
        "tlkeras_command",
        lambda *arguments: [sys.executable, str(script), *arguments],
    )
    killed = []
    look = chief.Supervisor.look

    def look_and_kill(self):
        done = len(read_outcomes(self.context.store))
        held = self.context.oracle.ongoing_trials.get("worker0")
        if not killed and done >= 3 and held is not None:
            process = self.workers["worker0"]
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            killed.append(held.trial_id)
        look(self)

    monkeypatch.setattr(chief.Supervisor, "look", look_and_kill)
    console = listening_console
    plan = make_plan(worker_config, {"model.dropout": "0.1:0.9"})
    directory = tmp_path / "search"
    open_search_directory(directory, plan)
    context = start_search(worker_config, plan, directory, console)
    run_search(context)
    outcomes = read_outcomes(context.store)
    assert len(outcomes) == 12
    assert all(outcome.is_completed for outcome in outcomes)
    assert len({outcome.values["model.dropout"] for outcome in outcomes}) == 12
    assert {outcome.stage for outcome in outcomes} == {1, 2}
    assert all(t.status == "COMPLETED" for t in context.oracle.trials.values())
    assert any("worker0 ended with exit code -9" in x for x in console.lines)
    starts = {
        path.parent.parent.name: len(path.read_text())
        for path in context.store.glob("trial_*/run/starts")
    }
    again = starts.pop(f"trial_{killed[0]}")
    assert again <= 2
    assert set(starts.values()) == {1}
    worked = [
        (context.store / f"worker{i}.log").read_text().count("trials")
        for i in range(2)
    ]
    assert all(worked)


class Client:
    """The oracle itself, as a worker sees its chief's."""

    def __init__(self, oracle):
        self.oracle = oracle

    def __getattr__(self, name):
        return getattr(self.oracle, name)


@pytest.fixture
def by_hand(small_config, tmp_path, monkeypatch):
    """A search without a deadline of its own, and a worker's address."""
    monkeypatch.setenv(address.IP, "127.0.0.1")
    monkeypatch.setenv(address.PORT, str(chief._free_port()))
    monkeypatch.setenv(address.TUNER, "worker0")
    small_config.tuning.mode = "full"
    small_config.tuning.num_trials = 3
    plan = make_plan(small_config, {"model.dropout": "0.1:0.9"})
    directory = tmp_path / "search"
    oracle = build_oracle(plan, directory)
    monkeypatch.setattr(
        "keras_tuner.src.distribute.oracle_client.OracleClient",
        lambda local: Client(oracle),
    )
    return plan, directory, oracle


def test_a_worker_with_another_config_is_refused(by_hand):
    plan, directory, oracle = by_hand
    with pytest.raises(InputError, match=r"holds no search.*--workdir"):
        work(plan, directory, address.read_address())
    workdir.write_json(directory / workdir.SEARCH, describe_search(plan))
    plan.config.model.alpha = 0.5
    with pytest.raises(InputError, match=r"another config .*alpha was 0.25"):
        work(plan, directory, address.read_address())
    assert not oracle.trials


def test_a_workers_trial_ends_when_the_time_of_the_search_is_up(
    by_hand, monkeypatch
):
    plan, directory, oracle = by_hand
    workdir.write_json(directory / workdir.SEARCH, describe_search(plan))
    monkeypatch.setattr(
        full_trials,
        "train_command",
        lambda *_: [sys.executable, "-S", "-c", "import time; time.sleep(20)"],
    )
    oracle.clock.max_seconds = 1.5
    oracle.deadline = time.monotonic() + 1.5
    with oracle.clock:
        assert work(plan, directory, address.read_address()) == 1
    (outcome,) = read_outcomes(store_of(directory))
    assert outcome.reason == "the time of the search was up"
    # One that comes when the search is over waits for no chief.
    assert is_search_over(directory)
    monkeypatch.setattr(Client, "create_trial", None, raising=False)
    assert work(plan, directory, address.read_address()) == 0


def test_a_restarted_chief_leaves_trials_to_those_who_run_them(
    by_hand, small_config, monkeypatch
):
    plan, directory, oracle = by_hand
    held = oracle.create_trial("gpu-a").trial_id
    lost = oracle.create_trial("tuner0").trial_id  # of a search without chief
    seen = {}

    def watch(context, *rest):
        for name in ("gpu-b", "gpu-a", "gpu-c"):
            seen[name] = context.oracle.create_trial(name).trial_id

    monkeypatch.setattr(chief, "_watch", watch)
    monkeypatch.setenv(address.TUNER, "chief")
    run_search(start_search(small_config, plan, directory, Console(quiet=True)))
    assert seen["gpu-a"] == held
    assert seen["gpu-b"] == lost
    assert seen["gpu-c"] not in (held, lost)


def test_a_chief_with_workers_of_its_own_gives_their_trials_to_new_ones():
    assert chief._ended_with_chief("worker2", 2)
    assert not chief._ended_with_chief("worker2", 0)
    assert not chief._ended_with_chief("gpu-a", 2)


def test_a_chief_does_not_wait_for_a_worker_that_died_without_a_trial(
    by_hand, small_config, monkeypatch
):
    plan, directory, _ = by_hand
    monkeypatch.setattr(chief, "FAREWELL_SECONDS", 0.2)
    monkeypatch.setenv(address.TUNER, "chief")
    context = start_search(small_config, plan, directory, Console(quiet=True))
    context.oracle.tuner_ids.add("gone")
    context.oracle.ended = "the time is up"
    run_search(context)
    assert is_search_over(directory)


def test_a_chief_answers_a_health_probe_and_leaves_cores_to_workers(by_hand):
    _, _, oracle = by_hand
    place = address.read_address()
    with chief._serve(oracle, place):
        assert {pool["num_threads"] for pool in threadpool_info()} <= {1}
        with grpc.insecure_channel(f"{place.ip}:{place.port}") as channel:
            check = channel.unary_unary(f"/{chief.HEALTH}/Check")
            assert check(b"", timeout=30) == chief.SERVING
    with grpc.insecure_channel(f"{place.ip}:{place.port}") as channel:
        check = channel.unary_unary(f"/{chief.HEALTH}/Check")
        with pytest.raises(grpc.RpcError):
            check(b"", timeout=5)


def test_a_port_in_use_is_refused(worker_config, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        worker_config.tuning.port = other.getsockname()[1]
        plan = make_plan(worker_config, {"model.dropout": "0.1:0.9"})
        context = start_search(
            worker_config, plan, tmp_path, Console(quiet=True)
        )
        with pytest.raises(InputError, match=r"is in use.*tuning.port"):
            run_search(context)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({address.PORT: "80"}, "TUNER_ID is missing"),
        ({address.TUNER: "chief"}, "ORACLE_PORT is missing"),
        ({address.TUNER: "a", address.PORT: "http"}, "ORACLE_PORT=http"),
    ],
)
def test_half_an_address_is_refused(monkeypatch, variables, message):
    monkeypatch.setenv(address.IP, "127.0.0.1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        address.read_address()


def test_without_variables_there_is_no_chief_elsewhere(monkeypatch):
    monkeypatch.delenv(address.IP, raising=False)
    assert address.read_address() is None
    monkeypatch.setenv(address.IP, "10.0.0.1")
    monkeypatch.setenv(address.PORT, "8000")
    monkeypatch.setenv(address.TUNER, "tune-chief-0")
    assert address.read_address() == address.Address(
        "10.0.0.1", 8000, "tune-chief-0"
    )
    assert address.read_address().is_chief


def test_a_chiefs_search_runs_processes(small_config):
    address.require_processes(small_config)
    assert small_config.tuning.mode == "full"
    small_config.tuning.mode = "codes"
    with pytest.raises(InputError, match="trains all heads in one process"):
        address.require_processes(small_config)


def test_the_examples_name_workers_as_the_docs_say():
    """Stable ids; the chief's id has `chief` in it, no worker's has."""
    import yaml

    folder = Path(__file__).parents[2] / "docs" / "tuning"
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    ids = [s["environment"][address.TUNER] for s in services.values()]
    assert ids == ["chief", "worker0", "worker1"]
    commands = [s["command"] for s in services.values()]
    jobs = [*yaml.safe_load_all((folder / "job.yaml").read_text())]
    pods = [job["spec"]["template"]["spec"] for job in jobs[1:]]
    (chief, worker) = (pod["containers"][0] for pod in pods)
    assert chief["command"] == worker["command"]
    for command in (*commands, chief["command"]):
        assert command[:2] == ["tlkeras", "tune"]
    assert jobs[2]["spec"]["completionMode"] == "Indexed"
    names = {e["name"]: e.get("value") for e in worker["env"]}
    assert names[address.TUNER] == "worker-$(INDEX)"


def run_task(number, folder):
    """Runs a task of the job array; returns its variables and its command."""
    print_all = f"#!/bin/bash\nenv | grep ^{address.TUNER[:10]}; echo $@\n"
    program = folder / "bin" / "tlkeras"
    program.parent.mkdir(exist_ok=True)
    program.write_text(print_all)
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", Path(__file__).parents[2] / "docs/tuning/array.slurm"],
        cwd=folder,
        env={
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "PHOTOS": "photos",
            "SLURM_ARRAY_JOB_ID": "70123",
            "SLURM_ARRAY_TASK_ID": str(number),
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    *variables, command = done.stdout.splitlines()
    return dict(line.split("=") for line in variables), command


@pytest.mark.skipif(not shutil.which("hostname"), reason="no hostname here")
def test_tasks_of_an_array_find_their_chief(tmp_path):
    first, command = run_task(0, tmp_path)
    second, same = run_task(3, tmp_path)
    assert command == same
    assert command.startswith("tune --data=photos --workdir=")
    assert first[address.TUNER] == "chief"
    assert second[address.TUNER] == "worker-3"
    assert first[address.PORT] == second[address.PORT] == "30123"
    assert first[address.IP] == "0.0.0.0"
    (place,) = (tmp_path / "search").glob("chief-*")
    assert second[address.IP] == place.read_text().strip()
