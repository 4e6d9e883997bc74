"""A scheduler's signal while native code is at work."""

import os
import signal

import pytest

from tlkeras.cli import main as main_module


def test_a_signal_that_native_code_turns_into_an_error_is_one_line(
    capsys, monkeypatch
):
    """As an import of a compiled module does that is interrupted."""
    monkeypatch.setattr(main_module, "import_frameworks", lambda **_: None)

    def import_something(_):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except main_module.Ended:
            raise ImportError("initialization failed") from None

    code = main_module._run(import_something, ["tlkeras"])
    assert code == 128 + signal.SIGTERM
    assert "ended by SIGTERM" in capsys.readouterr().err


def test_an_error_without_a_signal_stays_one(monkeypatch):
    monkeypatch.setattr(main_module, "import_frameworks", lambda **_: None)

    def fail(_):
        raise ImportError("initialization failed")

    with pytest.raises(ImportError):
        main_module._run(fail, ["tlkeras"])
