import subprocess
import sys

import keras
import pytest

from tlkeras import runtime


@pytest.mark.parametrize(
    ("asked", "accelerator", "expected"),
    [
        ("auto", None, "float32"),
        ("auto", "/device:GPU:0", "mixed_float16"),
        ("mixed_bfloat16", None, "mixed_bfloat16"),
    ],
)
def test_precision_is_chosen_by_device(asked, accelerator, expected):
    assert runtime.choose_precision(asked, accelerator) == expected


def test_no_xla_on_a_cpu():
    if runtime.accelerator_name() is None:
        assert not runtime.should_compile_with_xla()


def test_seeds_repeat_the_draws():
    draws = []
    for _ in range(2):
        runtime.set_up_runtime(seed=3, precision="float32", deterministic=True)
        draws.append(keras.random.normal((4,)))
    assert (keras.ops.convert_to_numpy(draws[0] == draws[1])).all()


LEAN = """
import os, sys
from tlkeras.runtime import OPTIONAL_IMPORTS, import_frameworks
import_frameworks(lean=True)
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
    assert ("jax" in runtime.needless_imports()) == (expected != "jax")
