"""What surrounds the frameworks: a settings file, and limits of the shell."""

import json
import os
import resource
import subprocess
import sys

import pytest

from tlkeras.errors import InputError
from tlkeras.startup import ADDRESS_BYTES, _require_address_space

BUILD = """
from tlkeras import build_classifier
import keras, numpy as np
built = build_classifier("MobileNet", class_names="ab", weights="letters",
                         image_size=32, alpha=0.25,
                         features_from="conv_pw_1_relu")
assert keras.config.image_data_format() == "channels_last"
assert keras.config.floatx() == "float32"
images = np.zeros((2, 32, 32, 3), np.float32)
assert built.model.predict_on_batch(images).shape == (2, 2)
"""


def run(code, folder, settings):
    text = settings if isinstance(settings, str) else json.dumps(settings)
    (folder / "keras.json").write_text(text)
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_HOME": str(folder)},
        check=False,
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"image_data_format": "channels_first", "floatx": "float16"},
        pytest.param(
            {"floatx": "float64", "epsilon": 0.5}, marks=pytest.mark.slow
        ),
        pytest.param("{", marks=pytest.mark.slow),
    ],
)
def test_an_old_settings_file_changes_nothing(tmp_path, settings):
    done = run(BUILD, tmp_path, settings)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_settings_file_that_keras_refuses_is_named(tmp_path):
    code = "from tlkeras.cli.main import main; main(['tlkeras', 'doctor'])"
    done = run(code, tmp_path, {"floatx": "float7"})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "keras.json" in line


def test_too_few_addresses_are_named_at_once(monkeypatch):
    def limited(number):
        monkeypatch.setattr(resource, "getrlimit", lambda _: (number, number))

    limited(ADDRESS_BYTES - 1)
    with pytest.raises(InputError, match="ulimit -v"):
        _require_address_space()
    for enough in (ADDRESS_BYTES, resource.RLIM_INFINITY):
        limited(enough)
        _require_address_space()


CLOSED = """
import os, sys, types
import tlkeras.cli.main as commands
from tlkeras.errors import InputError
from tlkeras.startup import silenced_stderr
def begin(_):
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.flush()
    with silenced_stderr():
        os.close(os.open(sys.argv[1], os.O_CREAT))
    raise InputError("It has begun.")
commands.import_frameworks = lambda **_: None
sys.modules["tlkeras.cli.doctor"] = types.SimpleNamespace(
    main=begin, define_flags=lambda _: None
)
commands.main(["tlkeras", "doctor"])
"""


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_stream_that_is_closed_is_nowhere(tmp_path, closed):
    begun = tmp_path / "begun"
    shell = f'"$0" -c "$1" "$2" {closed}'
    done = subprocess.run(
        ["sh", "-c", shell, sys.executable, CLOSED, str(begun)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert begun.exists()
    assert done.stdout == ""
    assert ("It has begun" in done.stderr) == ("2>&-" not in closed)
