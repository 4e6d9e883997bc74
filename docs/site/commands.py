"""The page of the commands: what `--help` of each says."""

import importlib

from absl import flags

from tlkeras.cli import parsing
from tlkeras.cli.main import COMMANDS


def write_page() -> str:
    """Returns the Markdown of all commands."""
    lines = [
        "# Commands",
        "",
        "What `tlkeras COMMAND --help` prints. Every command that takes "
        "`--config` takes each [field of the config](config.md) as a flag; "
        "`tlkeras COMMAND --help=SECTION` lists them.",
    ]
    for name, about in COMMANDS.items():
        lines += ["", f"## {name}", "", f"{about[0].upper()}{about[1:]}.", ""]
        lines += ["```text", format_help(name), "```"]
    return "\n".join(lines)


def format_help(command: str) -> str:
    """Returns what `--help` of a command prints, and forgets its flags."""
    known = set(flags.FLAGS)
    module = importlib.import_module(f"tlkeras.cli.{command}")
    try:
        module.define_flags([])
        return parsing.format_flags(module)
    finally:
        for name in set(flags.FLAGS) - known:
            delattr(flags.FLAGS, name)
