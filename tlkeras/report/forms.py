"""What the JSON files of a run must hold for the report to show them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlkeras import workdir

# An example of what a file holds: names that it must have, each with a value of
# its kind (None = any); [one] stands for a list of such, {"": one} for such by
# any names.
METRICS: dict[str, Any] = {
    "num_examples": 0,
    "loss": 0.0,
    "macro_f1": 0.0,
    # None: of a class that the split lacks.
    "per_class": {
        "": {"precision": None, "recall": None, "f1": None, "num_examples": 0}
    },
}
LEDGER = {
    "num_files": 0,
    "left_out": [{"path": "", "reason": ""}],
    "moved": [],
    "num_with_orientation": 0,
    "class_counts": {"": {"": 0}},
}
CHECKS = [{"name": "", "verdict": "", "value": None, "message": ""}]
DIAGNOSIS = {
    "findings": [
        {"name": "", "phase": "", "severity": "", "message": "", "evidence": {}}
    ]
}
ENSEMBLE = {
    "members": [{"seed": 0, "loss": 0.0}],
    "mean_of_members": 0.0,
    "against_mean": {"difference": 0.0, "interval": [0.0]},
    "cost": 0.0,
}
RANGE_TESTS = {
    "": {
        "rates": [0.0],
        "losses": [],
        "smoothed": [],
        "regions": [{"name": "", "low": 0.0, "high": 0.0}],
    }
}


def read_form(path: Path, form: Any) -> Any:
    """Reads a JSON file of the given form.

    Raises:
        InputError: If it is missing, damaged, or holds something else.
    """
    with workdir.reading(path):
        value = workdir.read_json(path)
        _require(value, form, "it")
    return value


def _require(value: Any, form: Any, place: str) -> None:
    if isinstance(form, (int, float)):
        kinds: Any = (int, float)
    else:
        kinds = object if form is None else type(form)
    if not isinstance(value, kinds):
        raise TypeError(f"{place} is {value!r}, unlike {form!r}")
    if isinstance(form, list) and form:
        for item in value:
            _require(item, form[0], f"a part of {place}")
    elif isinstance(form, Mapping):
        for name, part in form.items():
            for key in [name] if name else value:
                _require(value[key], part, f"'{key}'")
