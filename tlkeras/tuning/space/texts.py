"""Where the ranges of a space come from: flags and config files."""

from collections.abc import Iterable

from ml_collections import ConfigDict

from tlkeras.config.dotted import walk
from tlkeras.errors import InputError


def flatten_space(section: ConfigDict) -> dict[str, str]:
    """Returns `tuning.space`, nested like the config, as field -> range."""
    return {name: str(text) for name, text in walk(section)}


def parse_space_flags(flags: Iterable[str]) -> dict[str, str]:
    """Reads `FIELD=RANGE` texts of the command line.

    Raises:
        InputError: For a text without `=`, or a field that is named twice.

    Example:
    >>> parse_space_flags(["model.head_l2=1e-5:1:log"])
    {'model.head_l2': '1e-5:1:log'}
    """
    texts: dict[str, str] = {}
    for flag in flags:
        name, equals, text = flag.partition("=")
        name = name.strip().removeprefix("config.")
        if not equals or not name or not text.strip():
            raise InputError(
                f"--space='{flag}' is no FIELD=RANGE; expected "
                "--space=FIELD=LOW:HIGH[:log|linear|int] or "
                "--space='FIELD=a|b|c'."
            )
        if name in texts:
            raise InputError(
                f"--space names the field '{name}' twice; expected each once: "
                "remove one."
            )
        texts[name] = text.strip()
    return texts
