"""The page of the config: every field from the tables that check it."""

from collections import defaultdict

from tlkeras.config import get_config
from tlkeras.config.conditions import When
from tlkeras.config.dotted import walk
from tlkeras.config.field import IN_FULL, NEVER, ON_CODES, patterns_of
from tlkeras.config.fields import FIELDS, row_of
from tlkeras.config.meanings import describe_values, meaning_of

COLUMNS = ("field", "default", "values", "meaning", "searched", "counts where")
SEARCHED = {NEVER: "", IN_FULL: "in full", ON_CODES: "on codes"}
TOP = "The run"
METHOD = "phases.*.method"


def write_page() -> str:
    """Returns the Markdown of all fields, a table for each section."""
    sections = defaultdict(list)
    for name, defaults in _read_defaults().items():
        sections[name.rpartition(".")[0]].append(_describe(name, defaults))
    lines = [
        "# Fields of the config",
        "",
        "Each is set by `--config.NAME=VALUE` or in a file with "
        "`get_config()`. `*` stands for the name of a phase or of a group of "
        "layers. *Searched* says how `tlkeras tune` can vary it: on cached "
        "codes, or only by training the whole config.",
    ]
    for section in sorted(sections):
        lines += ["", f"## {f'`{section}`' if section else TOP}", ""]
        lines += [_row(*COLUMNS), _row(*("---" for _ in COLUMNS))]
        lines += sections[section]
    return "\n".join(lines)


def _read_defaults() -> dict[str, dict[str, str]]:
    """Returns name of each row -> phase or group, or "" -> default."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, value in walk(get_config()):
        pattern = next(p for p in patterns_of(name) if p in FIELDS)
        parts = zip(pattern.split("."), name.split("."), strict=True)
        owner = ".".join(own for star, own in parts if star == "*")
        found[pattern][owner] = repr(value) if value == "" else str(value)
    return found


def _describe(name: str, defaults: dict[str, str]) -> str:
    """Returns the row of a field.

    Args:
        name: Of its row in the table of fields.
        defaults: Phase or group, or "" -> default.
    """
    row = row_of(name)
    conditions = [_describe_condition(when) for when in row.when]
    if row.method and not any(w.field == METHOD for w in row.when):
        conditions.insert(0, f"the phase's method is {row.method}")
    return _row(
        f"`{name.rpartition('.')[2]}`",
        _describe_defaults(defaults),
        describe_values(row),
        meaning_of(name).replace("*", r"\*"),
        SEARCHED[row.search],
        "; ".join(conditions),
    )


def _describe_defaults(defaults: dict[str, str]) -> str:
    if len(set(defaults.values())) == 1:
        return f"`{next(iter(defaults.values()))}`"
    return ", ".join(f"{owner} `{v}`" for owner, v in defaults.items())


def _describe_condition(when: When) -> str:
    """Returns the condition in words, from those of its problem."""
    wanted = when.problem.removeprefix("is never ")
    if wanted == when.problem:  # another field overrules this one
        wanted = "None"
    return f"`{when.field}` is {wanted}"


def _row(*cells: str) -> str:
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"
