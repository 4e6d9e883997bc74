"""A config as a file like those in `configs/`: what differs from defaults."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.defaults import get_config, group_section, phase_section
from tlkeras.config.dotted import differences

TEMPLATE = '''"""{title}

Command: tlkeras train --config={name}
"""

from ml_collections import ConfigDict

from tlkeras.config import defaults


def get_config() -> ConfigDict:
    """Returns the experiment."""
    config = defaults.get_config()
    with config.unlocked():
{lines}
    return config
'''


def write_config_file(
    path: Path, config: ConfigDict, title: str, *, with_tuning: bool = False
) -> None:
    """Writes a file whose `get_config()` gives the same experiment.

    Args:
        path: Of the file, with the suffix .py.
        config: What it shall give.
        title: First lines of its docstring.
        with_tuning: Whether the `tuning` section is written too.
    """
    lines = [*_new_sections(config), *_differences(config, with_tuning)]
    body = "\n".join(f"        {line}" for line in lines or ["pass"])
    text = TEMPLATE.format(
        title=title.replace("\\", "/").replace('"""', "'"),
        name=path,
        lines=body,
    )
    workdir.write_text(path, text)


def _new_sections(config: ConfigDict) -> Iterator[str]:
    """Yields what creates phases and groups that the defaults lack."""
    known = get_config().phases
    for name in config.phases:
        if name == "phase_order":
            continue
        if name not in known:
            yield f"config.phases.{name} = defaults.phase_section()"
        default = phase_section().groups
        for group in config.phases[name].groups:
            if group not in default:
                yield (
                    f"config.phases.{name}.groups.{group} = "
                    'defaults.group_section(1.0, "auto")'
                )
        for group in default:
            if group not in config.phases[name].groups:
                yield f"del config.phases.{name}.groups.{group}"


def _differences(config: ConfigDict, with_tuning: bool) -> Iterator[str]:
    reference = get_config().unlock()
    for name in config.phases:
        if name == "phase_order":
            continue
        if name not in reference.phases:
            reference.phases[name] = phase_section()
        for group in config.phases[name].groups:
            if group not in reference.phases[name].groups:
                reference.phases[name].groups[group] = group_section(
                    1.0, "auto"
                )
    changed: dict[str, Any] = {}
    for name, value, default in differences(config, reference):
        if name.startswith("tuning.space."):  # one value, whatever it holds
            changed["tuning.space"] = config.tuning.space.to_dict()
        elif not isinstance(default, ConfigDict):  # of a section left out
            changed[name] = tuple(value) if isinstance(value, list) else value
    for name, value in changed.items():
        if with_tuning or not name.startswith("tuning."):
            yield f"config.{name} = {value!r}"
