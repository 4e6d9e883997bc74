import subprocess
import sys

import pytest

from tlkeras import startup

LEAN = """
import os, sys
from tlkeras.startup import *
begin_command()
import_frameworks()
assert "keras" in sys.modules and "tensorflow" in sys.modules
print(sorted(set(OPTIONAL_IMPORTS) & set(sys.modules)))
import pandas, matplotlib
print(pandas.DataFrame({"a": [1]}).shape)
"""


def test_a_lean_import_leaves_out_what_no_command_needs():
    done = subprocess.run(
        [sys.executable, "-c", LEAN],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout.splitlines() == ["[]", "(1, 1)"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ('{"backend": "jax"}', "jax"),
        ("{}", "tensorflow"),
        ("[]", "tensorflow"),
        ("damaged", "tensorflow"),
    ],
)
def test_the_backend_of_keras_own_settings_is_kept(
    tmp_path, monkeypatch, settings, expected
):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(settings)
    assert ("jax" in startup.needless_imports()) == (expected != "jax")
