"""Lines for people, a progress bar on a terminal, and `log.txt`."""

import logging
import re
import sys
from pathlib import Path
from typing import Any

from tlkeras.workdir import ESCAPED

LOGGER = logging.getLogger("tlkeras")
LOGGER.setLevel(logging.INFO)
LOGGER.propagate = False  # absl's handler would print each line again

# What moves a terminal's cursor, or worse; a name of a file may hold any.
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    r"""Returns text with what a terminal cannot show spelled out.

    That is control characters, and what standard output cannot encode.

    Example:
    >>> print(printable("a\x1b[2Jb"))
    a\x1b[2Jb
    """
    text = CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, ESCAPED).decode(encoding)


class Console:
    """Prints lines, keeps them in the log, and shows a bar on a terminal.

    Args:
        quiet: Whether to leave out the bar and epoch lines.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._progress: Any = None  # of rich, imported when first needed
        self._task: Any = None

    def line(self, text: str) -> None:
        """Prints one line and logs it."""
        text = printable(text)
        LOGGER.info(text)
        if not self.quiet:
            if self._progress is not None:
                self._progress.console.print(
                    text, highlight=False, markup=False
                )
            else:
                print(text, flush=True)

    def result(self, text: str) -> None:
        """Prints what the user asked for, quiet or not."""
        text = printable(text)
        LOGGER.info(text)
        print(text, flush=True)

    def start(self, title: str, total: int) -> None:
        """Opens a bar; does nothing when quiet or not on a terminal."""
        if self.quiet or not sys.stdout.isatty():
            return
        from rich import progress

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
        )
        self._task = self._progress.add_task(title, total=total)
        self._progress.start()

    def advance_to(self, completed: int) -> None:
        """Moves the bar."""
        if self._progress is not None:
            self._progress.update(self._task, completed=completed)

    def stop(self) -> None:
        """Closes the bar."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None


def warn(text: str) -> None:
    """Prints one line about what goes on without, where there is no console."""
    LOGGER.warning(printable(text))
    complain(text)


def complain(text: str) -> None:
    """Prints one line on standard error."""
    print(f"tlkeras: {printable(' '.join(text.split()))}", file=sys.stderr)


def log_to_file(path: Path) -> logging.Handler:
    """Appends the project's log records to a file; remove the handler after."""
    handler = logging.FileHandler(path, encoding="utf-8", errors=ESCAPED)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    LOGGER.addHandler(handler)
    return handler
