"""The command that makes a run again, with all that differs from defaults."""

import shlex
from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.defaults import get_config
from tlkeras.config.dotted import differences
from tlkeras.config.fields import UNKNOWN, row_of
from tlkeras.report.run_files import Content, RunFiles


def build_command(files: RunFiles) -> Content:
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
    defaults = get_config()
    new = [name for name in config.phases if name not in defaults.phases]
    flags: list[str] = []
    unsaid: list[str] = []
    # Phases come last, the new ones after all.
    for name, value, _ in sorted(
        differences(config, defaults),
        key=lambda found: found[0].startswith("phases."),
    ):
        if name == "data.source" or name.removeprefix("phases.") in new:
            continue
        is_field = row_of(name) is not UNKNOWN
        if value is None or not is_field or isinstance(value, ConfigDict):
            unsaid.append(name)
        else:
            flags.append(f"--config.{name}={_format(value)}")
    return flags, unsaid + [f"phases.{name}" for name in new]


def _format(value: Any) -> str:
    if isinstance(value, list | tuple):
        inner = ",".join(repr(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return str(value)
