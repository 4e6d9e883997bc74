"""The identity of an experiment, and the default work directory made of it."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.auto_epochs import as_before
from tlkeras.config.weight_files import name_and_content

# What changes where or how a run is done, not what it computes; of a preset the
# fields count that it fills in.
NOT_IDENTITY = ("runtime", "report", "export", "tuning", "checks", "preset")
# Of a path only the last name counts, so that a moved folder is still the same
# experiment; of a file that decides the result, its content counts.
FOLDERS = (("data", "source"),)
FILES = (
    ("data", "split_file"),
    ("data", "review_file"),
    ("model", "backbone"),
    ("model", "weights"),
)
LOCATIONS = (("data", "tfds_data_dir"),)
SPEED_ONLY = (
    ("features", "cache"),
    ("features", "max_cache_bytes"),
    ("features", "max_memory_bytes"),
    ("features", "store"),
)
# Fields that came later, and their value in runs of before, or that with which
# those go on: left out where they have it, so that those runs keep their hash.
ADDED = {
    ("data", "review_file"): "",
    ("data", "split_memory"): True,
    ("data", "on_empty_class"): "fail",
    ("data", "geometry"): "squash",
    ("data", "group_by"): "",
    ("model", "contract"): "auto",
    ("evaluation", "calibrate"): True,
    ("evaluation", "wise_ft"): [],
}
# Likewise of a phase; without a teacher they do nothing.
ADDED_TO_PHASES = ("teacher", "teacher_share", "teacher_temperature")
# What a limit leaves out shows in the data's own fingerprint; a directory keeps
# its image definition, whatever is asked for (`image_definition.py`).
LIMITS = (("data", "max_pixels"), ("data", "max_bad_share"))
KEPT = (("data", "image_definition"),)


def identity(config: ConfigDict) -> dict[str, Any]:
    """Returns the part of a config that decides the result, as plain values."""
    values = json.loads(config.to_json_best_effort())
    for section in NOT_IDENTITY:
        values.pop(section, None)
    if config.runtime.max_seconds:  # decides how long phases train
        values["runtime"] = {"max_seconds": config.runtime.max_seconds}
    for section, field in FOLDERS:
        values[section][field] = Path(values[section][field]).name
    for section, field in FILES:
        values[section][field] = name_and_content(values[section][field])
    for section, field in (*LOCATIONS, *SPEED_ONLY, *LIMITS, *KEPT):
        values[section].pop(field)
    if values["ensemble"] == 1:  # came later too
        values.pop("ensemble")
    for (section, field), before in ADDED.items():
        if values[section][field] == before:
            values[section].pop(field)
    for phase in values["phases"].values():
        if isinstance(phase, dict):
            _reduce_teacher(phase)
    return values


def _reduce_teacher(phase: dict[str, Any]) -> None:
    """Takes a teacher for its weights; fields of none came later."""
    if phase["teacher"]:
        phase["teacher"] = name_and_content(phase["teacher"])
    else:
        for name in ADDED_TO_PHASES:
            phase.pop(name)


def config_hash(config: ConfigDict) -> str:
    """Returns 8 hex digits that change when the result may change."""
    text = json.dumps(identity(config), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def default_workdir(config: ConfigDict, *, root: str = "runs") -> str:
    """Returns `ROOT/SOURCE-HASH` for a config.

    Where only an earlier version worked on the same command, it is the
    directory of that version.
    """
    earlier = as_before(config)
    place = _named_workdir(config, root)
    if earlier is config or Path(place).exists():
        return place
    before = _named_workdir(earlier, root)
    return before if Path(before, workdir.CONFIG).exists() else place


def _named_workdir(config: ConfigDict, root: str) -> str:
    name = Path(config.data.source.split(":")[-1]).name
    source = re.sub(r"\W+", "_", name).strip("_")
    return f"{root}/{source or 'data'}-{config_hash(config)}"
