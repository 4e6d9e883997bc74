"""What the fields of the config mean, from the comments of `defaults.py`.

The comment above a field, or behind it, is its meaning; help and documentation
read it from there, so that they cannot say anything else.
"""

import ast
import functools
import inspect
import io
import tokenize

from tlkeras.config import defaults
from tlkeras.config.dotted import walk
from tlkeras.config.field import Field, patterns_of
from tlkeras.config.fields import row_of
from tlkeras.errors import InputError, quote
from tlkeras.tables import suggest

# Function of `defaults.py` -> where its section lies.
WRITTEN_BY = {
    "data_section": "data",
    "augment_section": "data.augment",
    "model_section": "model",
    "phase_section": "phases.*",
    "schedule_section": "phases.*.schedule_args",
    "group_section": "phases.*.groups.*",
    "features_section": "features",
    "tuning_section": "tuning",
    "get_config": "",
}


@functools.cache
def read_meanings() -> dict[str, str]:
    """Returns the meaning of each field that has a comment.

    Returns:
        Dotted name, with `*` for the name of a phase or group -> one text.
    """
    source = inspect.getsource(defaults)
    comments, is_alone = _read_comments(source)
    found = {}
    for function in ast.parse(source).body:
        if not isinstance(function, ast.FunctionDef):
            continue
        place = WRITTEN_BY.get(function.name)
        for line in function.body if place is not None else ():
            target = line.targets[0] if isinstance(line, ast.Assign) else None
            if not isinstance(target, ast.Attribute):
                continue
            first = line.lineno
            while first - 1 in comments and is_alone[first - 1]:
                first -= 1
            own = range(line.lineno, (line.end_lineno or line.lineno) + 1)
            rows = [*range(first, line.lineno), *own]
            text = " ".join(comments[row] for row in rows if row in comments)
            _, *names = ast.unparse(target).split(".")
            if text:
                found[".".join([place, *names] if place else names)] = text
    return found


def _read_comments(source: str) -> tuple[dict[int, str], dict[int, bool]]:
    """Returns line -> its comment, and whether nothing stands before that."""
    comments, is_alone = {}, {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            line = token.start[0]
            comments[line] = token.string.lstrip("# ")
            is_alone[line] = not token.line[: token.start[1]].strip()
    return comments, is_alone


def meaning_of(name: str) -> str:
    """Returns what a field means, by its dotted name, or ""."""
    meanings = read_meanings()
    return next((meanings[p] for p in patterns_of(name) if p in meanings), "")


def format_fields(section: str) -> str:
    """Returns the fields of a section: name, default, values, meaning.

    Args:
        section: Dotted name of a section or a field, such as `model` or
            `phases.fine_tune`.

    Raises:
        InputError: If there is none.
    """
    every = dict(walk(defaults.get_config()))
    fields = [name for name in every if f"{name}.".startswith(f"{section}.")]
    if not fields:
        known = sorted({name.split(".")[0] for name in every})
        raise InputError(
            f"'{quote(section)}' is no section of the config."
            f"{suggest(section, known)} Expected one of: {', '.join(known)}."
        )
    lines = []
    for name in fields:
        values = describe_values(row_of(name))
        shown = every[name] if every[name] != "" else "''"
        lines.append(f"--config.{name}={shown}{values and f'  ({values})'}")
        if meaning := meaning_of(name):
            lines.append(f"    {meaning}")
    return "\n".join(lines)


def describe_values(row: Field) -> str:
    """Returns what a field may be, or "" where its type says it all."""
    if row.choices:
        return " | ".join(word or "''" for word in row.choices)
    if row.limits:
        low, high, closed = row.limits
        word = f", or {row.word}" if row.word else ""
        low_end = f"{'' if closed else 'above '}{_format_number(low)}"
        return f"{low_end} .. {_format_number(high)}{word}"
    return ""


def _format_number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
