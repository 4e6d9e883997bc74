"""The command that makes a run again, with all that differs from defaults."""

import shlex
from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.defaults import get_config
from tlkeras.report.run_files import RunFiles


def build_command(files: RunFiles) -> dict[str, Any]:
    """Returns the command and what it cannot say."""
    arguments, unsaid = list_flags(files.config)
    source = shlex.quote(f"--data={files.config.data.source}")
    lines = ["tlkeras train", source, *map(shlex.quote, arguments)]
    return {
        "command": " \\\n  ".join(lines),
        "unsaid": unsaid,
        "seed": files.config.seed,
        "versions": files.result.versions,
    }


def list_flags(config: ConfigDict) -> tuple[list[str], list[str]]:
    """Returns a flag for each field that differs from the defaults.

    Args:
        config: Of a run; `data.source` is left out.

    Returns:
        `--config.section.field=value` flags, unquoted, and the names of fields
        that flags cannot set: phases that the defaults do not have, groups,
        and values taken back to None.
    """
    defaults = get_config().to_dict()
    values = config.to_dict()
    values["data"]["source"] = defaults["data"]["source"]
    flags: list[str] = []
    unsaid: list[str] = []
    phases = values.pop("phases")
    own = defaults.pop("phases")
    _compare(values, defaults, "", flags, unsaid)
    new = [name for name in phases if name not in own]
    _compare(
        {name: value for name, value in phases.items() if name not in new},
        own,
        "phases.",
        flags,
        unsaid,
    )
    unsaid += [f"phases.{name}" for name in new]
    return flags, unsaid


def _compare(
    values: dict[str, Any],
    defaults: dict[str, Any],
    place: str,
    flags: list[str],
    unsaid: list[str],
) -> None:
    for name, value in values.items():
        where = f"{place}{name}"
        if name not in defaults:
            unsaid.append(where)
        elif isinstance(value, dict):
            _compare(value, defaults[name], f"{where}.", flags, unsaid)
        elif _plain(value) == _plain(defaults[name]):
            continue
        elif value is None:
            unsaid.append(where)
        else:
            flags.append(f"--config.{where}={_format(value)}")


def _plain(value: Any) -> Any:
    """A config read from JSON has lists where the defaults have tuples."""
    return list(value) if isinstance(value, tuple) else value


def _format(value: Any) -> str:
    if isinstance(value, list | tuple):
        inner = ",".join(repr(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return str(value)
