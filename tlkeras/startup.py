"""Importing the frameworks quietly and quickly: what it changes for a process.

`import_frameworks` lowers the log level of TensorFlow and gRPC for the whole
process (unless the environment says otherwise). In a process of the command
line Keras is imported without the optional packages below, so that `fit` takes
no data frames there, and `gc.freeze` exempts everything that exists by then
from garbage collection, for good. Python code that imports tlkeras as a library
gets neither.
"""

import functools
import gc
import importlib
import importlib.util
import json
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tlkeras.errors import InputError

BEGUN = time.perf_counter()  # of a command: nearly when its process was
ADDRESS_BYTES = 3 * 1024**3  # importing maps 2.5 GiB; with less it never ends
# What Keras and TensorFlow import where it is installed, for features that no
# command uses: two fifths of their import time.
OPTIONAL_IMPORTS = ("jax", "matplotlib", "pandas")


def quiet_frameworks() -> None:
    """Lowers the start-up chatter of TensorFlow; call it before its import."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


class _Process:
    """What this process is."""

    is_command = False


def begin_command() -> None:
    """Says that this process is tlkeras' own: frameworks are imported lean."""
    _Process.is_command = True


def import_frameworks() -> None:
    """Imports Keras and its backend without their banners on stderr.

    TensorFlow's libraries write a few lines before any log level applies. An
    exception still comes through.

    In a process that is tlkeras' own Keras is kept from importing
    `OPTIONAL_IMPORTS` that its backend does without: `fit` then takes no data
    frames and `keras.visualization` draws nothing. Whatever needs those
    packages itself imports them as ever.
    """
    quiet_frameworks()
    _require_address_space()
    try:
        with silenced_stderr():
            if _Process.is_command:
                with _hidden(needless_imports()), _uncollected():
                    importlib.import_module("keras")
            else:
                importlib.import_module("keras")
    except Exception as error:  # whatever is broken, or lacks memory
        raise InputError(
            f"Keras cannot be imported ({type(error).__name__}: {error}); "
            "expected a whole installation, and known names in "
            f"'{_settings_path()}': check both."
        ) from None
    set_conventions()


@functools.cache
def has_tensorflow() -> bool:
    """Says whether TensorFlow is installed, without importing it."""
    try:
        return importlib.util.find_spec("tensorflow") is not None
    except (ImportError, ValueError):  # imports are blocked
        return False


def set_conventions() -> None:
    """Sets what all networks here are built on, whatever `keras.json` says."""
    keras = importlib.import_module("keras")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)


def _require_address_space() -> None:
    """Refuses to begin what would allocate in vain, silently, for minutes.

    Raises:
        InputError: If a limit on addresses is below what the frameworks map.
    """
    try:
        import resource
    except ImportError:  # not on Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit not in (-1, resource.RLIM_INFINITY) and limit < ADDRESS_BYTES:
        raise InputError(
            f"The address space of this process is limited to {limit} bytes; "
            f"expected at least {ADDRESS_BYTES}, which TensorFlow reserves "
            "without using it: raise ulimit -v, or limit resident memory "
            "instead."
        )


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Drops what native libraries write to stderr, whatever their log level.

    And absl's warnings, which go wherever Python's logging sends them.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(max(level, logging.ERROR))
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        absl.setLevel(level)
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


def needless_imports() -> list[str]:
    """Returns the `OPTIONAL_IMPORTS` that are not Keras' backend."""
    backend = configured_backend()
    return [name for name in OPTIONAL_IMPORTS if name != backend]


def _settings_path() -> Path:
    home = os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras")
    return Path(home, "keras.json")


def configured_backend() -> str:
    """Returns Keras' backend without importing it.

    Its own settings file decides where no variable of the environment does.
    """
    if backend := os.environ.get("KERAS_BACKEND"):
        return backend
    try:
        settings = json.loads(_settings_path().read_text())
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
