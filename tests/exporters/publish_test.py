"""Versions are published whole or not at all."""

import contextlib
import errno
import os
import resource
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from tlkeras.exporters import publish, saved_model
from tlkeras.exporters.export import export_run
from tlkeras.exporters.settings import ExportSettings
from tlkeras.exporters.versions import existing_versions

from ..cli.conftest import run_command

FEW = ExportSettings(formats=("saved_model", "float32"), max_drop=0.0)

KILLED = """
import sys
from tlkeras import ExportSettings, export_run
settings = ExportSettings(formats=("saved_model", "float32"), max_drop=0.0)
export_run(sys.argv[1], sys.argv[2], settings)
"""


@pytest.mark.parametrize(
    "stop",
    [
        pytest.param("saved_model", marks=pytest.mark.slow),
        "saved_model/saved_model.pb",
        pytest.param("tflite", marks=pytest.mark.slow),
    ],
)
def test_a_killed_export_leaves_no_half_version(truncated, tmp_path, stop):
    output = tmp_path / "photos"
    output.mkdir()
    staging = output / ".staging"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(truncated), str(output)],
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (staging / stop).exists():
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for version in output.glob("[0-9]*"):
        assert (version / "model_info.json").exists()
        assert (version / "assets.extra").exists()
    killed = existing_versions(output)
    record = export_run(truncated, output, FEW)
    assert record["version"] == max(killed, default=0) + 1
    assert not staging.exists()


@contextlib.contextmanager
def full_disk():
    """Files of this process cannot grow beyond some bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_gives_one_sentence_and_no_version(
    truncated, tmp_path, capfd
):
    output = tmp_path / "photos"
    with full_disk():
        code = run_command(
            "export", f"--workdir={truncated}", f"--output={output}"
        )
    errors = capfd.readouterr().err
    assert code == 1, errors
    (sentence,) = [x for x in errors.splitlines() if x.startswith("tlkeras:")]
    assert "the system says" in sentence
    assert "File too large" in sentence
    assert existing_versions(output) == set()
    assert sorted(os.listdir(output)) == [".lock"]


def test_warm_up_requests_on_a_full_disk(tmp_path, truncated, monkeypatch):
    """TensorFlow's writer raises an error of its own."""

    def full(*_):
        raise tf.errors.OutOfRangeError(None, None, "File too large")

    monkeypatch.setattr(saved_model, "write_warmup", full)
    with pytest.raises(OSError, match="File too large"):
        export_run(truncated, tmp_path / "m", FEW)
    assert existing_versions(tmp_path / "m") == set()


def test_a_disk_that_fills_at_the_end_publishes_nothing(
    tmp_path, truncated, monkeypatch
):
    def full(folder):
        if folder.name == "saved_model":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = (truncated / "export.json").read_text()
    monkeypatch.setattr(publish, "flush", full)
    with pytest.raises(OSError, match="No space"):
        export_run(truncated, tmp_path / "m", FEW)
    assert existing_versions(tmp_path / "m") == set()
    assert not (tmp_path / "m" / "export.json").exists()
    assert (truncated / "export.json").read_text() == before
