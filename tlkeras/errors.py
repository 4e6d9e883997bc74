"""The two ways a command can end badly, and what each one means."""

from collections.abc import Callable


class InputError(ValueError):
    """A user's mistake: bad input, configuration or environment (exit code 2).

    The message is one sentence that says what happened, what was expected and
    how to fix it; the command line prints it without a traceback.
    """


def quote(
    value: object, limit: int = 200, form: Callable[[object], str] = str
) -> str:
    r"""Returns a value as an error message shows it, however long it is.

    On one line, without what a terminal obeys.

    Example:
    >>> quote("cat"), quote("x" * 300, limit=8), quote("2", form=repr)
    ('cat', 'xxxxx...', "'2'")
    >>> print(quote("a\x1b[2J\n"))
    a\x1b[2J\n
    """
    try:
        text = form(value)
    except ValueError:  # Python writes no number of more than 4300 digits
        text = f"a {type(value).__name__} of thousands of digits"
    text = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in text[: limit + 1]
    )
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


class GateError(RuntimeError):
    """The job ran and failed a gate, such as a check (exit code 1)."""
