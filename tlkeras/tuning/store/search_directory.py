"""The directory of a search: new, unfinished, or somebody else's."""

import contextlib
import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.auto_epochs import as_before, follow, with_epochs
from tlkeras.config.config_file import write_config_file
from tlkeras.config.dotted import first_difference, set_value
from tlkeras.config.hashing import identity
from tlkeras.config.image_definition import state_definition
from tlkeras.errors import InputError, quote
from tlkeras.locks import own_directory
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.space.fields import copy_config
from tlkeras.tuning.store.search_result import SearchResult

FORMAT_VERSION = 1
RESOLVED = "epochs"  # phase -> number, in the file of a search
# Fields of `tuning` that decide which trials there are; the others say how
# much time, or how many machines, a search may take.
DECIDING = ("oracle", "num_trials", "stages", "coarse_epochs")
# Those that decide how it is concluded, once its trials have ended.
CONCLUDING = ("noise_seeds", "final_trials", "final_seeds", "compare")


def describe_search(plan: SearchPlan) -> dict[str, Any]:
    """Returns what makes a search this one, as plain values."""
    tuning = plan.config.tuning.to_dict()
    return {
        "mode": plan.mode,
        "phases": list(plan.phases),
        "space": {field.name: field.as_text() for field in plan.space},
        "tuning": {name: tuning[name] for name in DECIDING},
        "config": identity(plan.config),
    }


def search_hash(plan: SearchPlan) -> str:
    """Returns 8 hex digits that change with the search."""
    text = json.dumps(describe_search(plan), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def default_search_directory(plan: SearchPlan, *, root: str = "tunings") -> str:
    """Returns `ROOT/SOURCE-HASH` for a search; see `default_workdir`."""
    earlier = as_before(plan.config)
    place = _named_directory(plan, root)
    if earlier is plan.config or Path(place).exists():
        return place
    before = _named_directory(dataclasses.replace(plan, config=earlier), root)
    return before if Path(before, workdir.SEARCH).exists() else place


def _named_directory(plan: SearchPlan, root: str) -> str:
    name = Path(plan.config.data.source.split(":")[-1]).name
    source = re.sub(r"\W+", "_", name).strip("_")
    return f"{root}/{source or 'data'}-{search_hash(plan)}"


@contextlib.contextmanager
def own_search_directory(directory: Path, plan: SearchPlan) -> Iterator[None]:
    """Opens a search directory; see `own_directory`.

    Raises:
        InputError: As `open_search_directory`, or if another process is at it.
    """
    with own_directory(
        directory, first=workdir.SEARCH, last=workdir.TUNING, what="search"
    ):
        open_search_directory(directory, plan)
        yield


def open_search_directory(directory: Path, plan: SearchPlan) -> Path:
    """Creates a search directory, or makes sure that it is this search's.

    Raises:
        InputError: If it cannot be written, holds other files, or the search
            of another space or config, or if a config file in it could not
            be named: `--config` ends a path at a colon.
    """
    if ":" in str(directory):
        raise InputError(
            f"The work directory '{directory}' has a colon in its name, where "
            "--config would end the path of a trial's config file; expected a "
            "name without: choose another --workdir."
        )
    path = directory / workdir.SEARCH
    if path.exists():
        _require_same(path, plan)
        return directory
    workdir.require_own(directory, workdir.SEARCH, what="search")
    workdir.make_directory(directory, what="work directory")
    data = follow_search(plan.config, directory).data
    about = {
        "format_version": FORMAT_VERSION,
        "image_definition": data.image_definition,
    }
    workdir.write_json(path, {**about, **describe_search(plan)})
    return directory


def follow_search(config: ConfigDict, directory: Path) -> ConfigDict:
    """Returns the config with what the search there keeps.

    That is its image definition, its epochs where the config says `auto`, and
    defaults that have changed since.

    Raises:
        InputError: If the config states another definition.
    """
    path = directory / workdir.SEARCH
    stored = workdir.read_json(path) if path.exists() else None
    with workdir.reading(path):
        config = state_definition(config, stored)
        return follow(config, stored and stored["config"])


def follow_plan(plan: SearchPlan, directory: Path) -> SearchPlan:
    """Returns the plan as the search there goes on with it.

    Raises:
        InputError: As `follow_search`.
    """
    config = follow_search(plan.config, directory)
    path = directory / workdir.SEARCH
    if has_epochs(directory):
        with workdir.reading(path):
            config = with_epochs(config, workdir.read_json(path)[RESOLVED])
    return dataclasses.replace(plan, config=config)


def record_epochs(directory: Path, plan: SearchPlan) -> None:
    """Writes the epochs of a search's phases beside what it is, once.

    Args:
        directory: Of the search.
        plan: With numbers for what was `auto`.
    """
    path = directory / workdir.SEARCH
    if not path.exists() or has_epochs(directory):
        return
    epochs = {name: plan.config.phases[name].epochs for name in plan.phases}
    workdir.write_json(path, {**workdir.read_json(path), RESOLVED: epochs})


def has_epochs(directory: Path) -> bool:
    """Says whether a search has begun, and its epochs are known."""
    path = directory / workdir.SEARCH
    with workdir.reading(path):
        return path.exists() and RESOLVED in workdir.read_json(path)


def concluding_settings(plan: SearchPlan) -> dict[str, Any]:
    """Returns how a search is concluded, as `tuning.json` holds it."""
    return {name: plan.config.tuning[name] for name in CONCLUDING}


def read_finished(directory: Path, plan: SearchPlan) -> SearchResult:
    """Returns the result of a finished search.

    Raises:
        InputError: If it was concluded with other settings: its runs have
            looked at the test split, which another winner must not see again.
    """
    path = directory / workdir.TUNING
    with workdir.reading(path):
        result = SearchResult.from_dict(workdir.read_json(path))
    settings = concluding_settings(plan)
    for name, theirs in result.settings.items():
        mine = settings[name]
        if theirs != mine:
            raise InputError(
                f"The search in '{directory}' is finished, with tuning.{name}="
                f"{theirs}, and its test split was looked at; expected the "
                f"same setting, not {mine}, or a new directory: choose another "
                "--workdir."
            )
    return result


def require_search(directory: Path, plan: SearchPlan) -> None:
    """Makes sure that a directory is this search's, as a worker must.

    Raises:
        InputError: If it holds no search, or another one.
    """
    path = directory / workdir.SEARCH
    if not path.exists():
        raise InputError(
            f"The work directory '{directory}' holds no search; expected the "
            "chief's own, on a disk that all machines see or in a bucket: give "
            "this worker the chief's --workdir."
        )
    _require_same(path, plan)


def _require_same(path: Path, plan: SearchPlan) -> None:
    with workdir.reading(path):
        stored = dict(workdir.read_json(path))
        # What was `auto` then stays so: the number stands beside it.
        config = follow(plan.config, stored["config"])
    described = describe_search(dataclasses.replace(plan, config=config))
    for key, mine in described.items():
        theirs = stored.get(key)
        if theirs == json.loads(json.dumps(mine)):
            continue
        what = "space" if key == "space" else "config"
        raise InputError(
            f"The work directory '{path.parent}' belongs to a search of "
            f"another {what} ({_difference(theirs, mine, key)}); expected the "
            "same search or a new directory: choose another --workdir."
        )


def _difference(theirs: Any, mine: Any, key: str) -> str:
    found = first_difference({key: theirs}, {key: mine})
    name, was, now = found or (key, theirs, mine)
    short = name.removeprefix("space.")  # names of ranges have dots themselves
    if short == name:
        short = name.rpartition(".")[2]
    before, after = (quote(value, form=repr) for value in (was, now))
    return f"{short} was {before} and is {after}"


def write_given_config(
    path: Path, config: ConfigDict, plan: SearchPlan
) -> Path:
    """Writes the config of a search as a file that workers read.

    Args:
        path: Of the file.
        config: As given.
        plan: Its space is written, whatever flags it came from.
    """
    whole = copy_config(config)
    nested: dict[str, Any] = {}
    for field in plan.space:
        set_value(nested, field.name, field.as_text())
    whole.tuning.space = nested
    title = "The config of a search, with its space, as its workers read it."
    write_config_file(path, whole, title, with_tuning=True)
    return path
