"""SIGKILL, SIGTERM and Ctrl-C in each phase, and the same command again."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tlkeras import train_and_evaluate, workdir

from .finished_runs import assert_same_weights

CONFIG = """
from tlkeras.config import defaults

def get_config():
    config = defaults.get_config()
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "letters"
    config.model.features_from = "conv_pw_6_relu"
    config.evaluation.replace_p_value = 1.0
    config.evaluation.test_at_end = False
    config.checks.enabled = False
    config.report.enabled = False
    config.phases.fine_tune.trainable_from = "stage4"
    for name in config.phases.phase_order:
        phase = config.phases[name]
        phase.method = "fit"
        phase.augment = True
        phase.epochs = 4
        phase.batch_size = 4
    return config
"""


def start(folder, photo_folder, name):
    (folder / "config.py").write_text(CONFIG)
    command = [
        sys.executable,
        "-m",
        "tlkeras.cli.main",
        "train",
        f"--config={folder / 'config.py'}",
        f"--data={photo_folder}",
        f"--workdir={folder / name}",
        "--quiet",
    ]
    return subprocess.Popen(
        command,
        env=os.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(directory, phase, epoch, process):
    """Waits until an epoch's row is there."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        assert process.poll() is None, "it ended before it could be killed"
        rows = workdir.read_table(directory / workdir.HISTORY)
        if (phase, str(epoch)) in {(r["phase"], r["epoch"]) for r in rows}:
            return
        time.sleep(0.002)
    raise TimeoutError


@pytest.fixture(scope="module")
def whole(tmp_path_factory, photo_folder):
    scope = {}
    exec(CONFIG, scope)
    config = scope["get_config"]()
    config.data.source = str(photo_folder)
    directory = tmp_path_factory.mktemp("whole") / "run"
    train_and_evaluate(config, directory)
    return directory


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        slow("linear_probe", signal.SIGKILL),
        ("fine_tune", signal.SIGKILL),
        ("linear_probe", signal.SIGTERM),
        slow("fine_tune", signal.SIGTERM),
        slow("linear_probe", signal.SIGINT),
        slow("fine_tune", signal.SIGINT),
    ],
)
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(
    tmp_path, photo_folder, whole, phase, number
):
    process = start(tmp_path, photo_folder, "run")
    wait_for(tmp_path / "run", phase, 2, process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        assert said.count("\n") == 1
        assert "what was finished is safe" in said
        again = said.rpartition("Go on with: ")[2]
        assert shlex.split(again)[:2] == ["tlkeras", "train"]
        assert f"--workdir={tmp_path / 'run'}" in shlex.split(again)
    assert not (tmp_path / "run" / workdir.RESULT).exists()
    assert start(tmp_path, photo_folder, "run").wait(300) == 0
    assert_same_weights(whole, tmp_path / "run")
    results = [
        json.loads((d / workdir.RESULT).read_text())
        for d in (tmp_path / "run", whole)
    ]
    assert results[0]["val/loss"] == results[1]["val/loss"]
