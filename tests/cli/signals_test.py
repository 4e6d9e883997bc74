"""A scheduler's signal while native code is at work."""

import signal
import subprocess
import sys

import pytest

from tlkeras.cli import main as main_module

# A process of its own: a signal that nobody takes would end the tests.
INTERRUPTED_IMPORT = """
import os, signal
from tlkeras.cli import main

def import_something(_):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    except main.Ended:
        raise ImportError("initialization failed") from None

signal.signal(signal.SIGTERM, signal.SIG_DFL)
raise SystemExit(main._run(import_something, ["tlkeras"], alone=True))
"""


def test_a_signal_that_native_code_turns_into_an_error_is_one_line():
    """As an import of a compiled module does that is interrupted."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 128 + signal.SIGTERM
    assert "ended by SIGTERM" in done.stderr


def test_an_error_without_a_signal_stays_one(monkeypatch):
    monkeypatch.setattr(main_module, "import_frameworks", lambda **_: None)

    def fail(_):
        raise ImportError("initialization failed")

    with pytest.raises(ImportError):
        main_module._run(fail, ["tlkeras"])
