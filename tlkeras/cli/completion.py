"""Print what completes commands, flags, fields and backbones in a shell."""

import importlib
import json

from tlkeras.cli.parsing import SHARED_FLAGS

USAGE = "tlkeras completion bash|zsh   (source it from the shell's settings)"
EXAMPLES = (
    "bash >> ~/.bashrc",
    "zsh >> ~/.zshrc",
    "bash",
)
TAKES_ARGUMENTS = True

# Everything is known when the script is printed, so that a key press starts no
# process. Bash parts words at "=" and ":"; the flag is the word before them.
_SCRIPT = r"""
_tlkeras() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
  local command="${COMP_WORDS[1]}" flag="" words=""
  COMPREPLY=()
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "COMMANDS" -- "$word"))
    return
  fi
  if [ "$word" = "=" ]; then
    flag="$before" word=""
  elif [ "$before" = "=" ]; then
    flag="${COMP_WORDS[COMP_CWORD-2]}"
  elif [[ "$word" == --*=* ]]; then
    flag="${word%%=*}" word="${word#*=}"
  fi
  case "$flag" in
VALUES
  esac
  if [ -n "$flag" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [ -z "$words" ] && COMPREPLY=($(compgen -f -- "$word"))
    return
  fi
  [[ "$word" == -* ]] || return
  case "$command" in
FLAGS
  esac
  if [[ "$word" == --config.* ]]; then
    words="FIELDS"
  fi
  COMPREPLY=($(compgen -S "=" -W "$words" -- "$word"))
  COMPREPLY=("${COMPREPLY[@]/%--config.=/--config.}")
  compopt -o nospace 2>/dev/null
}
complete -o default -F _tlkeras tlkeras
"""
_BEFORE = {
    "bash": "",
    "zsh": "autoload -U +X compinit bashcompinit; compinit; bashcompinit\n",
}


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags: none."""


def main(arguments: list[str]) -> int:
    """Prints the script of a shell."""
    from tlkeras.errors import InputError
    from tlkeras.tables import lookup

    if len(arguments) != 1:
        raise InputError(
            "No shell is named; expected bash or zsh: tlkeras completion bash."
        )
    before = lookup(_BEFORE, arguments[0], what="shell")
    print(f"{before}{make_script()}")
    return 0


def make_script() -> str:
    """Returns the script, for Bash and for what behaves like it."""
    from tlkeras.cli.main import COMMANDS
    from tlkeras.config import get_config
    from tlkeras.config.dotted import walk
    from tlkeras.config.fields import row_of
    from tlkeras.models.backbones import BACKBONES

    fields = [name for name, _ in walk(get_config())]
    values = {
        f"--config.{name}": row_of(name).choices
        for name in fields
        if any(row_of(name).choices)
    }
    for flag in ("--config.model.backbone", "--layers"):
        values[flag] = tuple(BACKBONES)
    parts = {
        "COMMANDS": " ".join(COMMANDS),
        "FIELDS": " ".join(f"--config.{name}" for name in fields),
        "VALUES": _cases(values),
        "FLAGS": _cases({name: _flags_of(name) for name in COMMANDS}),
    }
    script = _SCRIPT
    for name, text in parts.items():
        script = script.replace(name, text)
    return script.lstrip()


def _cases(rows: dict[str, tuple[str, ...]]) -> str:
    return "\n".join(
        f"    {name}) words={json.dumps(' '.join(filter(None, words)))} ;;"
        for name, words in rows.items()
    )


def _flags_of(command: str) -> tuple[str, ...]:
    """Returns the flags of a command, from what its module says of it."""
    module = importlib.import_module(f"tlkeras.cli.{command}")
    names = [*getattr(module, "FLAG_NAMES", ()), "help"]
    names += [name for name in SHARED_FLAGS if f"--{name}" in module.USAGE]
    if "config" in names:
        names.append("config.")  # and what then follows
    return tuple(f"--{name}" for name in names)
