"""Seeds, numeric precision and devices of the machine at hand."""

import gc
import importlib
import json
import logging
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "tlkeras",
    "keras",
    "tensorflow",
    "openvino",
    "numpy",
    "scikit-learn",
)
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
# What Keras and TensorFlow import where it is installed, for features that no
# command uses: two fifths of their import time.
OPTIONAL_IMPORTS = ("jax", "matplotlib", "pandas")


def quiet_frameworks() -> None:
    """Lowers the start-up chatter of TensorFlow; call it before its import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def import_frameworks(lean: bool = False) -> None:
    """Imports Keras and its backend without their banners on stderr.

    TensorFlow's libraries write a few lines before any log level applies. An
    exception still comes through.

    Args:
        lean: Keep Keras from importing `OPTIONAL_IMPORTS` that its backend
            does without, for a process that is tlkeras' own: `fit` then takes
            no data frames and `keras.visualization` draws nothing. Whatever
            needs those packages itself imports them as ever.
    """
    quiet_frameworks()
    with silenced_stderr():
        if lean:
            with _hidden(needless_imports()), _uncollected():
                importlib.import_module("keras")
        else:
            importlib.import_module("keras")


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Drops what native libraries write to stderr, whatever their log level."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


def needless_imports() -> list[str]:
    """Returns the `OPTIONAL_IMPORTS` that are not Keras' backend."""
    backend = os.environ.get("KERAS_BACKEND") or _configured_backend()
    return [name for name in OPTIONAL_IMPORTS if name != backend]


def _configured_backend() -> str:
    """Reads Keras' own settings file, which decides where no variable does."""
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    try:
        settings = json.loads(Path(home, "keras.json").read_text())
        return str(settings["backend"])
    except (OSError, ValueError, KeyError, TypeError):
        return "tensorflow"


@contextmanager
def _hidden(names: Iterable[str]) -> Iterator[None]:
    """Makes `import name` fail with ImportError where it is not yet done."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Spares the garbage collector what is made here, now and later.

    The modules of the frameworks are half a million objects that stay; each
    full collection would walk over them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def accelerator_name() -> str | None:
    """Returns the first accelerator that the Keras backend sees, or None."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        devices = [
            device.name for device in tf.config.list_physical_devices("GPU")
        ]
    elif backend == "jax":
        import jax

        devices = [str(d) for d in jax.devices() if d.platform != "cpu"]
    else:
        import torch

        devices = ["cuda"] if torch.cuda.is_available() else []
    return devices[0] if devices else None


def choose_precision(precision: str, accelerator: str | None) -> str:
    """Resolves `auto`: `mixed_float16` on an accelerator, `float32` on a CPU.

    Mixed precision in `fit` is no faster on a CPU, even on one with AMX.

    Example:
    >>> choose_precision("auto", None)
    'float32'
    """
    if precision != "auto":
        return precision
    return "mixed_float16" if accelerator else "float32"


def should_compile_with_xla() -> bool:
    """Says whether XLA helps: on accelerators only (7x slower on a CPU)."""
    import keras

    if keras.backend.backend() == "jax":
        return True
    return keras.backend.backend() == "tensorflow" and bool(accelerator_name())


def set_up_runtime(*, seed: int, precision: str, deterministic: bool) -> str:
    """Seeds every generator and sets the global numeric policy.

    Args:
        seed: Seed of Python, NumPy and the Keras backend.
        precision: One of `PRECISIONS`.
        deterministic: Whether operations must give the same bits every time,
            at some cost in speed; needed for exact resuming.

    Returns:
        The resolved precision policy, e.g. `float32`.
    """
    import keras

    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Its hints about retracing are for authors of loops, not for users.
        tf.get_logger().setLevel(logging.ERROR)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
    policy = choose_precision(precision, accelerator_name())
    keras.config.set_dtype_policy(policy)
    return policy


def installed_versions() -> dict[str, str]:
    """Returns package -> version, for the packages that decide results."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
