"""Trials in processes: what ends one costs that one only."""

import os
import signal
import sys
import time

import psutil
import pytest

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.tuning.page.live_table import LiveTable
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.search import search
from tlkeras.tuning.store.oracles import build_oracle
from tlkeras.tuning.trials import full_trials
from tlkeras.tuning.trials.asked import Asked
from tlkeras.tuning.trials.full_trials import ProcessTrials
from tlkeras.tuning.trials.outcome import read_outcomes, store_of
from tlkeras.tuning.trials.watched_process import Limits, run_watched

DROPOUT = "model.dropout"
MIB = 1024**2
# What a training leaves behind, by a process that takes a moment.
TRAINED = """
import json, pathlib, sys
run = pathlib.Path(sys.argv[1]); run.mkdir(parents=True, exist_ok=True)
phase = {"phase": "fine_tune", "stopped": STOPPED, "best_epoch": 2,
         "val/top_1_accuracy": 0.75, "val/loss": 0.5}
(run / "history.csv").write_text(
    "phase,epoch,train/loss,val/top_1_accuracy\\n"
    "linear_probe,1,9.0,\\nfine_tune,1,1.5,0.5\\nfine_tune,2,1.0,0.75\\n")
(run / "model.keras").write_text("heavy")
(run / "result.json").write_text(
    json.dumps({"class_names": ["a", "b"], "phases": [phase]}))
"""
BEHAVIOURS = {
    "trains": TRAINED.replace("STOPPED", "''"),
    "diverges": TRAINED.replace("STOPPED", "'the loss became nan at step 3'"),
    "is killed": f"import os; os.kill(os.getpid(), {signal.SIGKILL:d})",
    "grows": "x = bytearray(200 * 2**20); import time; time.sleep(30)",
    "reserves": (
        "import mmap; x = mmap.mmap(-1, 2 * 2**30)\n"
        + TRAINED.replace("STOPPED", "''")
    ),
    "hangs": "import time; time.sleep(30)",
    "fails": "import sys; sys.exit('tlkeras: There is no such layer.')",
}


def behave(monkeypatch, behaviours):
    """Lets trials, one after another, behave in certain ways."""
    queue = list(behaviours)

    def command(config_file, directory):
        assert config_file.exists()
        code = BEHAVIOURS[queue.pop(0)]
        return [sys.executable, "-S", "-c", code, str(directory)]

    monkeypatch.setattr(full_trials, "train_command", command)


@pytest.fixture
def full_plan(small_config):
    small_config.tuning.mode = "full"
    return make_plan(small_config, {DROPOUT: "0.1:0.9"})


def run_one(plan, folder, limits=None):
    runner = ProcessTrials(plan.trial_config, "fine_tune", limits or Limits())
    ((_, outcome),) = runner([Asked({DROPOUT: 0.5}, 2, folder)])
    return outcome


@pytest.mark.parametrize(
    ("behaviour", "status", "reason"),
    [
        ("trains", "completed", ""),
        ("diverges", "diverged", "fine_tune: the loss became nan at step 3"),
        ("is killed", "failed", "killed by SIGKILL"),
        ("grows", "failed", "MiB resident, the limit is 120 MiB"),
        ("reserves", "completed", ""),
        ("hangs", "failed", "over time: the limit is 2 s"),
        ("fails", "failed", "There is no such layer."),
    ],
)
def test_each_end_is_recorded_with_its_reason(
    full_plan, tmp_path, monkeypatch, behaviour, status, reason
):
    """Addresses that are reserved and never used count for nothing."""
    behave(monkeypatch, [behaviour])
    outcome = run_one(full_plan, tmp_path, Limits(2.0, 120 * MIB))
    assert outcome.status == status
    assert reason in outcome.reason
    if status == "completed":
        assert outcome.val_accuracy == 0.75
        assert [row["train/loss"] for row in outcome.history] == [1.5, 1.0]
    assert not (tmp_path / "run" / workdir.MODEL).exists()


def test_the_search_goes_on_after_trials_that_died(
    full_plan, tmp_path, monkeypatch
):
    full_plan.config.tuning.num_trials = 6
    order = ["trains", "is killed", "grows", "diverges", "trains", "trains"]
    behave(monkeypatch, order)
    oracle = build_oracle(full_plan, tmp_path)
    search(
        oracle,
        ProcessTrials(
            full_plan.trial_config, "fine_tune", Limits(20.0, 120 * MIB)
        ),
        store_of(tmp_path),
        batch_size=1,
        default_epochs=2,
        watcher=LiveTable(Console(quiet=True), [DROPOUT], 6, None),
    )
    ended = [o.status for o in read_outcomes(store_of(tmp_path))]
    assert ended.count("completed") == 3
    assert ended.count("failed") == 2
    assert ended.count("diverged") == 1


def test_a_trials_config_file_is_its_config(full_plan, tmp_path, monkeypatch):
    behave(monkeypatch, ["trains"])
    run_one(full_plan, tmp_path)
    scope = {}
    exec((tmp_path / "config.py").read_text(), scope)
    config = scope["get_config"]()
    assert config.model.dropout == 0.5
    assert config.evaluation.test_at_end is False
    assert config.phases.fine_tune.epochs == 2


def test_the_parent_hardly_grows_over_fifty_trials(
    full_plan, tmp_path, monkeypatch
):
    behave(monkeypatch, ["trains"] * 60)
    runner = ProcessTrials(full_plan.trial_config, "fine_tune", Limits())
    full_plan.config.tuning.num_trials = 60
    full_plan.config.tuning.stages = 1
    oracle = build_oracle(full_plan, tmp_path)
    process, seen = psutil.Process(), []

    def run(asked):
        seen.append(process.memory_info().rss)
        return runner(asked)

    search(
        oracle,
        run,
        store_of(tmp_path),
        batch_size=1,
        default_epochs=2,
        watcher=LiveTable(Console(quiet=True), [DROPOUT], 60, None),
    )
    assert len(seen) == 60
    print(f"{(seen[-1] - seen[9]) / 50 / 1024:.1f} KiB a trial")
    assert (seen[-1] - seen[9]) / 50 < MIB


def test_a_limit_kills_what_a_trial_started_too(tmp_path):
    code = (
        "import subprocess, sys, time; p = subprocess.Popen([sys.executable, "
        "'-c', 'import time; time.sleep(60)']); print(p.pid, flush=True); "
        "time.sleep(60)"
    )
    end = run_watched(
        [sys.executable, "-c", code],
        log=tmp_path / "log",
        limits=Limits(seconds=1.5),
    )
    assert end.reason == "over time: the limit is 1.5 s"
    grandchild = int((tmp_path / "log").read_text())
    time.sleep(0.2)
    assert (
        not psutil.pid_exists(grandchild)
        or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE
    )


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux' own")
def test_a_trial_ends_with_its_search(tmp_path):
    """A child asks the kernel to end it with its parent."""
    trial = (
        "import os, sys, time; from tlkeras.processes import end_with_parent; "
        "end_with_parent(int(sys.argv[1])); print(os.getpid(), flush=True); "
        "time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys, time; p = subprocess.Popen("
        f"[sys.executable, '-c', {trial!r}, str(os.getpid())], "
        "stdout=subprocess.PIPE, text=True); "
        "print(p.stdout.readline(), flush=True); os.kill(os.getpid(), 9)"
    )
    end = run_watched(
        [sys.executable, "-c", parent], log=tmp_path / "log", limits=Limits()
    )
    assert end.code == -signal.SIGKILL
    child = int((tmp_path / "log").read_text().split()[0])
    for _ in range(50):
        if not psutil.pid_exists(child):
            break
        time.sleep(0.1)
    else:
        status = psutil.Process(child).status()
        os.kill(child, signal.SIGKILL)
        assert status == psutil.STATUS_ZOMBIE
