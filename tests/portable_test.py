"""The product on systems that lack what only POSIX has."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
WITHOUT_POSIX = """
import ctypes, importlib, os, signal, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("fcntl", "resource", "grp", "pwd", "termios"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
def no_library(*_, **__):
    raise OSError("no prctl here")
"""
BLOCK = "sys.meta_path.insert(0, Absent())\n"
TRAIN = """
from tlkeras.cli.main import main
main([
    "tlkeras", "train", "--data=digits", "--quiet",
    "--config.data.images_per_class=4", "--config.model.backbone=MobileNet",
    "--config.model.alpha=0.25", "--config.model.image_size=32",
    "--config.model.weights=letters",
    "--config.model.features_from=conv_pw_1_relu",
    "--config.phases.phase_order=('linear_probe',)",
    "--config.evaluation.bootstrap_samples=20",
    "--config.report.enabled=False", "--config.checks.enabled=False",
    "--workdir=" + sys.argv[1],
])
"""
# Modules of the standard library and of others that import them, first.
OTHERS = """
import psutil, subprocess, tempfile, multiprocessing, tarfile, pathlib
import tensorflow, keras, keras_tuner, matplotlib.pyplot, sklearn.linear_model
import filelock, tensorboard.summary
for name in ("fcntl", "resource", "grp", "pwd", "termios"):
    sys.modules.pop(name, None)
"""


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_POSIX + code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=False,
    )


def all_modules():
    for path in sorted((PROJECT / "tlkeras").rglob("*.py")):
        parts = path.relative_to(PROJECT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A process that imports every module and trains, and its run."""
    names = [name for name in all_modules() if name != "tlkeras.cli.child"]
    assert len(names) > 200
    imports = f"for n in {names!r}: importlib.import_module(n)\nprint('there')"
    directory = tmp_path_factory.mktemp("portable") / "run"
    return run(f"{OTHERS}{BLOCK}{imports}\n{TRAIN}", str(directory)), directory


def test_every_module_imports_without_posix(trained):
    done, _ = trained
    assert done.stdout.startswith("there\n"), done.stderr[-2000:]


def test_digits_are_trained_without_posix(trained):
    done, directory = trained
    assert done.returncode == 0, done.stderr[-2000:]
    assert (directory / "result.json").exists()


def test_help_needs_nothing_of_posix():
    code = BLOCK + "from tlkeras.cli.main import main; main(['tlkeras'])"
    done = run(code)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "train" in done.stdout


def test_a_child_ends_with_its_parent_without_prctl(tmp_path):
    """The parent is gone when the child looks: no kernel tells it."""
    child = WITHOUT_POSIX + (
        "import time\n"
        "from tlkeras.cli import child\n"
        "child.LOOK_SECONDS = 0.05\n"
        "child.end_with_parent(int(sys.argv[1]))\n"
        "open(sys.argv[2], 'w').close()\n"
        "time.sleep(30)\n"
    )
    parent = (
        "import os, subprocess, sys, time\n"
        f"c = subprocess.Popen([sys.executable, '-c', {child!r},"
        " str(os.getpid()), sys.argv[1]])\n"
        "while not os.path.exists(sys.argv[1]): time.sleep(0.05)\n"
        "print(c.pid)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", parent, str(tmp_path / "begun")],
        stdout=subprocess.PIPE,
        text=True,
        timeout=20,  # the child holds the pipe as long as it lives
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=False,
    )
    assert done.returncode == 0


@pytest.mark.parametrize("module", ["fcntl", "resource", "pwd", "grp"])
def test_no_module_imports_what_only_posix_has_at_its_top(module):
    pattern = re.compile(rf"^(import|from) {module}\b", re.MULTILINE)
    for path in (PROJECT / "tlkeras").rglob("*.py"):
        assert not pattern.search(path.read_text("utf-8")), path


def test_the_workflow_runs_on_all_systems():
    text = (PROJECT / ".github/workflows/test.yml").read_text("utf-8")
    for name in ("ubuntu", "macos", "windows", '"3.11"', '"3.12"', '"3.13"'):
        assert name in text
