"""What a person sees on a terminal: the project's own lines, and no others."""

import os
import re
import subprocess
import sys

import pytest

pty = pytest.importorskip("pty", reason="there are no such terminals here")

MAIN = "import sys; from tlkeras.cli.main import main; main(sys.argv)"
# Start-up lines of absl, TensorFlow, oneDNN, CUDA, XNNPACK and LiteRT.
NOISE = re.compile(
    r"absl|^[IWEF]\d{4} |oneDNN|cudart|cuda drivers|XNNPACK|cpu_feature_guard|"
    r"TensorFlow Lite delegate|^(INFO|WARNING|ERROR):|Warning: ",
    re.M,
)
SMALL = (
    "--config.model.backbone=MobileNet",
    "--config.model.alpha=0.25",
    "--config.model.image_size=32",
    "--config.model.weights=letters",
    "--config.phases.fine_tune.epochs=1",
)


def run_on_terminal(*arguments):
    """Runs a command on a terminal of its own; returns what it shows."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN, *map(str, arguments)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux says so that the other side has gone
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait() == 0, shown.decode()
    return shown.decode()


def test_no_line_of_a_library_reaches_the_terminal(photo_folder, tmp_path):
    run, model = tmp_path / "run", tmp_path / "model"
    photo = sorted(photo_folder.rglob("*.jpg"))[0]
    for command, own in (
        (("train", f"--data={photo_folder}", *SMALL), "linear_probe"),
        (("predict", photo), "china"),
        (("export", f"--output={model}", "--max_drop=0.3"), "saved_model"),
    ):
        name, *rest = command
        shown = run_on_terminal(name, f"--workdir={run}", *rest)
        assert own in shown
        assert not NOISE.search(shown), shown
