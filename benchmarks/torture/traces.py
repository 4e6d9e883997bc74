"""What a command left behind, without what differs between equal commands."""

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# Of JSON and CSV: how long things took, when, where, by whom; the size of files
# that hold such figures.
VOLATILE = re.compile(
    r"seconds|^time$|latency|worker|started|libraries|^host$|^version$"
    r"|shared_object_id|^num_bytes$"
)
# Keras counts the models of a process, of which a resumed one builds fewer.
NUMBERED = re.compile(r"input_layer_\d+")
Trace = dict[str, str]


def read_trace(folder: Path, root: Path) -> Trace:
    """Returns file -> digest of what must be equal in it.

    Args:
        folder: Of the files, or one file.
        root: Folder of the chain; its name in texts does not count.
    """
    paths = [folder] if folder.is_file() else sorted(folder.rglob("*"))
    trace = {}
    for path in paths:
        read = READERS.get(path.suffix)
        name = str(path.relative_to(root))
        if path.is_file() and read and not IGNORED.search(name):
            trace[name] = _digest(read(path, str(root)))
    return trace


def differences(expected: Trace, found: Trace) -> list[str]:
    """Returns the files that differ, are missing, or are too many."""
    return [
        f"{name}: {'differs' if name in expected and name in found else ''}"
        f"{'' if name in found else 'missing'}"
        f"{'' if name in expected else 'unexpected'}"
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _json(path: Path, root: str) -> Any:
    return _without(json.loads(path.read_text("utf-8").replace(root, "")))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without(item)
            for key, item in value.items()
            if not VOLATILE.search(key)
        }
    return [_without(v) for v in value] if isinstance(value, list) else value


def _csv(path: Path, root: str) -> Any:
    text = path.read_text("utf-8").replace(root, "")
    return _without(list(csv.DictReader(io.StringIO(text))))


def _arrays(path: Path, root: str) -> Any:
    with np.load(path) as file:
        return {name: _bytes(file[name]) for name in file.files}


def _keras(path: Path, root: str) -> Any:
    """The weights of a model, and how it is built."""
    with zipfile.ZipFile(path) as archive:
        weights = io.BytesIO(archive.read("model.weights.h5"))
        text = archive.read("config.json").decode()
    config = json.loads(NUMBERED.sub("input_layer", text))
    found: dict[str, Any] = {"config": _without(config)}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = _bytes(np.asarray(item))

    with h5py.File(weights) as file:
        file.visititems(visit)
    return found


def _bytes(array: np.ndarray) -> list[Any]:
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    return [str(array.dtype), list(array.shape), digest]


def _file(path: Path, root: str) -> Any:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What goes on holds its clock; an oracle, the order in which workers asked. A
# look at the test split counts from its begin, also one that was killed.
IGNORED = re.compile(r"checkpoints/|oracle\.json|\.lock|worker\d|test_looks")
READERS: dict[str, Callable[[Path, str], Any]] = {
    ".json": _json,
    ".csv": _csv,
    ".npz": _arrays,
    ".keras": _keras,
    ".tflite": _file,
    # TensorFlow and comments about time order these at will: that they exist.
    **dict.fromkeys((".index", ".pb", ".py"), lambda path, root: True),
}
