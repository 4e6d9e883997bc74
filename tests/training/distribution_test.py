"""Several devices, and several processes, give what one device gives."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tlkeras import remote_listing, train_and_evaluate, workdir
from tlkeras.config.config_file import write_config_file
from tlkeras.errors import InputError
from tlkeras.studies.advise import advise
from tlkeras.studies.lr_search import find_phase_rates
from tlkeras.studies.preflight import run_preflight
from tlkeras.training.distribution import open_devices
from tlkeras.training.one_device import ONE
from tlkeras.training.replicated_model import require_tested_keras
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.trials.watched_process import tlkeras_command

from .finished_runs import assert_same_weights, history_of, weights_of
from .kill_test import wait_for
from .small_run_fields import SMALL_RUN

CHILD = Path(__file__).parent / "replicas_child.py"
ON_JAX = CHILD.with_name("jax_child.py")
TOLERANCE = 1e-6


def start(*arguments, child=CHILD, command=None, **environment):
    return subprocess.Popen(
        command or [sys.executable, str(child), *map(str, arguments)],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, code=0):
    out, errors = process.communicate(timeout=500)
    assert process.returncode == code, errors[-3000:]
    return json.loads(out.splitlines()[-1]) if out else None


def free_ports(count):
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def start_workers(*arguments, command=None):
    """Starts two processes that know of each other."""
    hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
    for index in range(2):
        task = {"type": "worker", "index": index}
        known = {"cluster": {"worker": hosts}, "task": task}
        known = json.dumps(known)
        yield start(*arguments, command=command, TF_CONFIG=known)


@pytest.fixture(scope="module")
def on_devices(photo_folder, tmp_path_factory):
    """What two logical devices found, and the folder of their runs."""
    folder = tmp_path_factory.mktemp("devices")
    return finish(start("devices", photo_folder, folder)), folder


@pytest.fixture(scope="module")
def on_workers(tmp_path_factory):
    """What each of two processes found."""
    folder = tmp_path_factory.mktemp("workers")
    return list(map(finish, list(start_workers("workers", folder))))


def assert_alike(first, second):
    for name, values in first.items():
        np.testing.assert_allclose(
            values, second[name], rtol=0, atol=TOLERANCE, err_msg=name
        )


def test_two_devices_take_the_steps_of_one(on_devices):
    found, _ = on_devices
    assert found["replicas"] == 2
    assert_alike(found["one"], found["all"])


def test_keras_still_loses_a_batch_under_a_strategy(on_devices):
    """Where this fails, `ReplicatedModel` may build as Keras does."""
    found, _ = on_devices
    difference = np.subtract(
        found["one"]["losses"], found["all plain"]["losses"]
    )
    assert np.abs(difference).max() > 1e-3


def test_norms_are_clipped_after_gradients_are_summed(on_devices):
    found, _ = on_devices
    assert_alike(found["clipped"], found["all clipped"])
    moved = np.subtract(found["clipped"]["weights"], found["one"]["weights"])
    assert np.abs(moved).max() > 1e-3, "the bounds clip nothing"


def test_a_step_is_left_out_if_one_replica_overflows(on_devices):
    found, _ = on_devices
    assert found["overflow"]["infinite"] == 0
    assert 0 < found["overflow"]["finite"] < np.inf


def assert_same_run(first, second):
    """Holds rows and weights of two runs against each other."""
    pairs = zip(history_of(first), history_of(second), strict=True)
    for mine, theirs in pairs:
        assert mine["phase"] == theirs["phase"]
        for name in mine.keys() - {"phase", "seconds"}:
            values = [float(row[name] or "nan") for row in (mine, theirs)]
            np.testing.assert_allclose(*values, 0, TOLERANCE, err_msg=name)
    a, b = weights_of(first), weights_of(second)
    for path, value in a.items():
        np.testing.assert_allclose(value, b[path], 0, TOLERANCE, err_msg=path)


def test_a_run_on_two_devices_has_the_losses_of_one(on_devices):
    _, folder = on_devices
    rows = history_of(folder / "all")
    expected = [*["linear_probe"] * 2, *["fine_tune"] * 2]
    assert [row["phase"] for row in rows] == expected
    assert any(float(row["update_ratio/upper"] or 0) > 0 for row in rows)
    assert_same_run(folder / "one", folder / "all")


@pytest.mark.slow
def test_a_run_on_jax_on_two_devices_has_the_losses_of_one(
    photo_folder, tmp_path
):
    pytest.importorskip("jax", reason="JAX is not installed")
    for devices in ("one", "all"):
        arguments = (photo_folder, tmp_path / devices, devices)
        assert finish(start(*arguments, child=ON_JAX)) == {"phases": 2}
    assert_same_run(tmp_path / "one", tmp_path / "all")


def test_a_run_that_goes_on_on_two_devices_ends_with_the_same_bits(on_devices):
    _, folder = on_devices
    assert_same_weights(folder / "all", folder / "cut-fine_tune-2")


def test_two_processes_take_the_steps_of_two_devices(on_devices, on_workers):
    chief, other = on_workers
    assert chief["worker"] == other["worker"]
    assert_alike(on_devices[0]["all"], chief["worker"])


def test_what_counts_is_the_chiefs(on_workers):
    chief, other = on_workers
    assert chief["of chief"] == other["of chief"] == [[1.0] * 3] * 2
    assert (chief["received"], other["received"]) == (False, True)
    assert chief["state"] == other["state"] == "123"


def test_keras_still_trains_in_no_two_processes(on_workers):
    """Where this fails, `WorkersModel` is needed no longer."""
    for found in on_workers:
        assert found["plain"]
        assert found["without reduction"]


@pytest.mark.slow
def test_a_run_of_two_processes_is_that_of_two_devices(
    on_devices, photo_folder, tmp_path
):
    _, folder = on_devices
    arguments = (photo_folder, tmp_path / "run", "runtime.devices=workers")
    for process in list(start_workers("train", *arguments)):
        finish(process)
    assert_same_weights(folder / "all", tmp_path / "run")
    whole, own = history_of(folder / "all"), history_of(tmp_path / "run")
    assert [row["train/loss"] for row in whole] == [
        row["train/loss"] for row in own
    ]


@pytest.mark.slow
def test_processes_go_on_after_one_was_killed(
    on_devices, photo_folder, tmp_path
):
    _, folder = on_devices
    place = tmp_path / "run"
    arguments = (photo_folder, place, "runtime.devices=workers")
    chief, other = start_workers("train", *arguments)
    wait_for(place, "linear_probe", 1, chief)
    other.kill()
    _, errors = chief.communicate(timeout=500)
    other.communicate()
    assert chief.returncode == 1
    assert "GateError: One of 2 processes was lost" in errors
    for process in list(start_workers("train", *arguments)):
        finish(process)
    assert_same_weights(folder / "all", place)


@pytest.mark.slow
def test_two_processes_have_one_run_in_a_store(
    make_small_config, s3_url, tmp_path
):
    url = f"{s3_url}/run"
    config = tmp_path / "small.py"
    fields = {**SMALL_RUN, "runtime.devices": "workers"}
    write_config_file(config, make_small_config(fields), "Two processes.")
    command = tlkeras_command(
        "train", f"--config={config}", f"--workdir={url}", "--quiet"
    )
    chief, other = (
        process.communicate(timeout=500)[0]
        for process in list(start_workers(command=command))
    )
    assert "top_1_accuracy" in chief
    assert f"this process has helped; the chief has '{url}'" in other
    stored = {file.name for file in remote_listing.list_files(url)}
    assert {workdir.RESULT, workdir.MODEL} <= stored


def test_other_versions_of_keras_are_refused():
    with pytest.raises(InputError, match=r"Keras 3\.99 was never tried on"):
        require_tested_keras("3.99")
    require_tested_keras()


def test_processes_without_a_description_are_refused(
    small_config, tmp_path, monkeypatch
):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    small_config.runtime.devices = "workers"
    with pytest.raises(InputError, match="TF_CONFIG is not set"):
        train_and_evaluate(small_config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "value"), [("ensemble", 2), ("runtime.max_seconds", 60.0)]
)
def test_what_processes_would_decide_for_themselves_is_refused(
    make_small_config, tmp_path, monkeypatch, field, value
):
    known = {
        "cluster": {"worker": ["a:1", "b:1"]},
        "task": {"type": "worker", "index": 0},
    }
    monkeypatch.setenv("TF_CONFIG", json.dumps(known))
    config = make_small_config({"runtime.devices": "workers", field: value})
    with pytest.raises(InputError, match=f"{field} is not known to several"):
        train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / workdir.CONFIG).exists()


@pytest.mark.parametrize(
    ("command", "begin"),
    [
        ("find_lr", find_phase_rates),
        ("check", run_preflight),
        ("tune", lambda config, directory: make_plan(config, {})),
        ("advise", advise),
    ],
)
def test_what_one_process_does_is_refused_to_several(
    small_config, tmp_path, command, begin
):
    small_config.runtime.devices = "workers"
    with pytest.raises(InputError, match=f"one or all for tlkeras {command}:"):
        begin(small_config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_processor_is_one_device(make_small_config, tmp_path):
    config = make_small_config({"runtime.devices": "all"})
    with open_devices(config, tmp_path) as (distribution, place):
        assert distribution is ONE
        assert place == tmp_path
