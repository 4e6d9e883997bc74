"""Opening a run directory: new, unfinished, finished, or somebody else's."""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import remote_directory, workdir
from tlkeras.config.auto_epochs import CHANGED, follow
from tlkeras.config.defaults import get_config, phase_section
from tlkeras.config.dotted import differences, first_difference, walk
from tlkeras.config.fields import row_of
from tlkeras.config.hashing import ADDED_TO_PHASES, config_hash, identity
from tlkeras.config.image_definition import (
    FIRST_DEFINITION,
    PILLOW_MAX_PIXELS,
    state_definition,
)
from tlkeras.config.values import check_value
from tlkeras.console import warn
from tlkeras.errors import InputError, quote
from tlkeras.locks import own_directory

FORMAT_VERSION = 1
ABOUT = ("format_version", "config_hash")  # beside the config in its file
# Of values, as JSON gives them back: a config has no other.
KINDS: tuple[Any, ...] = (bool, (int, float), str, (list, tuple))
ESSENTIAL = ("seed", "data", "model", "phases")
# Runs keep the pixels that they were trained on. Those without a definition
# left out what Pillow refuses by itself.
OLD_DATA = {
    "image_definition": FIRST_DEFINITION,
    "max_pixels": PILLOW_MAX_PIXELS,
}
STARTING_FILES = (
    workdir.CONFIG,
    workdir.LEDGER,
    workdir.SPLIT,
    workdir.REVIEWED,
    workdir.HISTORY,
)
# What tlkeras check and find_lr leave for a run of the same config.
PREPARATION = (
    workdir.CHECKS,
    workdir.SUSPECT_LABELS,
    workdir.NEAR_DUPLICATES,
    workdir.LR_FINDER,
    workdir.LR_FINDER_PLOT,
)


def open_run_directory(directory: Path, config: ConfigDict) -> Path:
    """Creates a run directory, or makes sure that it belongs to this config.

    The resolved config is the first file written. A run that ended before it
    committed anything, on a mistyped layer for example, leaves nothing worth
    keeping: its directory may be used again.

    Raises:
        InputError: If the directory cannot be written, holds a corrupt
            config.json, the run of another config, or files that are no run.
    """
    path = directory / workdir.CONFIG
    workdir.require_own(directory, workdir.CONFIG, what="run")
    if path.exists() and _holds_work(directory):
        _require_same(path, config)
    elif path.exists():
        _clear(directory, config)
    workdir.make_directory(directory, what="work directory")
    if not path.exists():
        values = json.loads(config.to_json_best_effort())
        about = {
            "format_version": FORMAT_VERSION,
            "config_hash": config_hash(config),
        }
        workdir.write_json(path, {**values, **about})
    # After the config: a disk that is full by then leaves an empty directory.
    workdir.make_directory(
        directory / workdir.CHECKPOINTS, what="work directory"
    )
    return directory


@contextlib.contextmanager
def own_run_directory(
    directory: Path, config: ConfigDict
) -> Iterator[tuple[ConfigDict, Path]]:
    """Opens a run directory; see `own_directory`.

    Yields:
        The config with what the run keeps, and the directory.

    Raises:
        InputError: As `open_run_directory` and `follow_run`, or if another
            process is at it.
    """
    with own_directory(
        directory, first=workdir.CONFIG, last=workdir.RESULT, what="run"
    ):
        given, config = config, follow_run(config, directory)
        for name, now, before in differences(given, config):
            if name in CHANGED:
                warn(
                    f"{name} stays {before}, with which the run in "
                    f"'{directory}' began; its default is {now} by now."
                )
        opened = open_run_directory(directory, config)
        remote_directory.commit(opened)  # shows now whether it can be written
        yield config, opened


def follow_run(config: ConfigDict, directory: Path) -> ConfigDict:
    """Returns the config with what a run that goes on keeps.

    That is its image definition, its epochs where the config says `auto`, and
    defaults that have changed since.

    Raises:
        InputError: If the config states another definition.
    """
    if not _holds_work(directory):
        return state_definition(config, None)
    stored = read_config(directory)
    return follow(state_definition(config, stored.data), stored)


def _holds_work(directory: Path) -> bool:
    """Says whether a run has committed or finished anything."""
    state = Path(workdir.CHECKPOINTS, workdir.STATE)
    works = (state, workdir.RESULT, workdir.MEMBERS)
    return any((directory / name).exists() for name in works)


def _clear(directory: Path, config: ConfigDict) -> None:
    """Removes what a run writes before its first commit, after checking it.

    What was measured for another config goes too.
    """
    read_config(directory)
    stored = workdir.read_json(directory / workdir.CONFIG).get("config_hash")
    is_same = stored == config_hash(config)
    for name in STARTING_FILES + (() if is_same else PREPARATION):
        (directory / name).unlink(missing_ok=True)


def read_config(directory: Path) -> ConfigDict:
    """Reads the config of a run.

    Raises:
        InputError: If the directory is no run, or was written by a newer
            version of the program.
    """
    path = directory / workdir.CONFIG
    if not path.exists():
        raise InputError(
            f"'{directory}' is no run directory; expected one with a "
            f"{workdir.CONFIG}, as tlkeras train writes it: check --workdir."
        )
    values = workdir.read_json(path)
    version = values.get("format_version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise InputError(
            f"'{directory}' was written by a newer tlkeras (format {version}, "
            f"this one reads up to {FORMAT_VERSION}): upgrade tlkeras."
        )
    missing = [name for name in ESSENTIAL if name not in (values or ())]
    if not isinstance(version, int) or missing:
        raise InputError(
            f"'{path}' is corrupt (it lacks '{[*missing, 'format_version'][0]}'"
            "); expected the config of a run: delete the directory and start "
            "again."
        )
    for name in ABOUT:
        values.pop(name, None)
    with workdir.reading(path):
        config = ConfigDict(_with_defaults(values))
        _require_values(config, path)
    return config


def _require_values(config: ConfigDict, path: Path) -> None:
    """Raises an error of any kind for what no run can have written."""
    for name in config.phases.phase_order:
        for field in ("method", "epochs", "groups"):
            config.phases[name][field]
    for name, value in walk(config):
        try:
            check_value(row_of(name), name, value)
        except InputError as error:
            raise InputError(
                f"'{path}' is corrupt, or of an earlier version with wider "
                f"limits ({re.split('[:;] set --config', str(error))[0]}); "
                "restore the file, or correct the value in it, by which a "
                "finished model stays as it is."
            ) from None


def _with_defaults(values: dict) -> dict:
    """Fills in fields that did not exist when the run was made.

    Phases are the user's own: what theirs hold stays as it is.
    """

    def merge(default: dict, stored: dict) -> dict:
        if not isinstance(stored, dict):
            raise InputError(
                f"A section of the run's {workdir.CONFIG} is corrupt "
                f"({quote(stored)} instead of {', '.join(default)}); expected "
                "the config of a run: delete the directory and start again."
            )
        return stored | {
            key: merge(value, stored[key])
            if isinstance(value, dict) and key in stored
            else _of_kind(key, value, stored.get(key, value))
            for key, value in default.items()
        }

    defaults = get_config().to_dict()
    defaults.pop("phases")
    defaults["data"] |= OLD_DATA
    phase = phase_section().to_dict()
    added = {name: phase[name] for name in ADDED_TO_PHASES}
    phases = {
        name: added | section if isinstance(section, dict) else section
        for name, section in values["phases"].items()
    }
    return {**values, **merge(defaults, values), "phases": phases}


def _of_kind(name: str, default: Any, stored: Any) -> Any:
    """Returns a stored value if it is of the kind that its default is.

    Raises:
        TypeError: If not.
    """
    kind = next((k for k in KINDS if isinstance(default, k)), object)
    if stored is None or isinstance(stored, kind):
        return stored
    raise TypeError(f"{name} is {stored!r}, where {default!r} was expected")


def _require_same(path: Path, config: ConfigDict) -> None:
    stored = read_config(path.parent)
    hashed = workdir.read_json(path).get("config_hash")
    here, there = Path(config.data.source), Path(stored.data.source)
    is_moved = here.exists() and there.exists() and not here.samefile(there)
    if hashed == config_hash(config) and not is_moved:
        return
    difference = f"its data is '{there}'"
    if not is_moved:
        found = first_difference(identity(stored), identity(config))
        difference = "its fields differ"
        if found:
            name, theirs, mine = found
            before, now = (quote(v, form=repr) for v in (theirs, mine))
            difference = f"{name} was {before} and is {now}"
    raise InputError(
        f"The work directory '{path.parent}' belongs to another config "
        f"({difference}); expected the same config or a new directory: choose "
        "another --workdir."
    )
