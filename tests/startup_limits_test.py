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
                         image_size=32, alpha=0.25)
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
        {"floatx": "float64", "epsilon": 0.5},
        "{",
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
