"""How long a search has taken over all its starts, and whether it is over."""

import dataclasses
import threading
import time
from pathlib import Path

from tlkeras import workdir

TICK_SECONDS = 2.0  # between writes: what a kill may take from the count


@dataclasses.dataclass(frozen=True)
class ClockState:
    """What the file holds; of a new search, what it would hold.

    Attributes:
        seconds: Of all starts.
        seconds_left: Of the budget; None without a limit.
        over: Why the search is over; None while it is not.
    """

    seconds: float = 0.0
    seconds_left: float | None = None
    over: str | None = None


class SearchClock:
    """Counts the seconds of a search in a file beside it.

    A context manager: the seconds within it count. The file also says that
    the search is over, and why: started again, it goes on to its conclusion,
    whatever its budget is by then.

    Args:
        directory: Of the search.
        max_seconds: Of all starts together; None is no limit.

    Attributes:
        over: Why the search is over, "" if its trials are used up; None while
            it is not.
    """

    def __init__(self, directory: Path, max_seconds: float | None) -> None:
        self.path = directory / workdir.SEARCH_CLOCK
        self.max_seconds = max_seconds
        stored = _read(directory)
        self.over = stored.over
        self._before = stored.seconds
        self._started: float | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._ticker: threading.Thread | None = None

    @property
    def seconds(self) -> float:
        """Seconds of all starts."""
        if self._started is None:
            return self._before
        return self._before + time.monotonic() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time is up; None without a limit."""
        if self.max_seconds is None:
            return None
        return max(0.0, self.max_seconds - self.seconds)

    @property
    def deadline(self) -> float | None:
        """`time.monotonic()` at which the time is up, if it runs from now."""
        left = self.seconds_left
        return None if left is None else time.monotonic() + left

    def end(self, reason: str) -> None:
        """Notes that the search is over; the first reason stays."""
        if self.over is None:
            self.over = reason
            self._write()

    def __enter__(self) -> "SearchClock":
        self._started = time.monotonic()
        self._write()
        self._stopped.clear()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        self._ticker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        if self._ticker is not None:
            self._ticker.join()
        self._before, self._started = self.seconds, None
        self._write()

    def _tick(self) -> None:
        while not self._stopped.wait(TICK_SECONDS):
            self._write()

    def _write(self) -> None:
        with self._lock:
            state = ClockState(
                round(self.seconds, 3), self.seconds_left, self.over
            )
            workdir.write_json(self.path, dataclasses.asdict(state))


def read_deadline(directory: Path) -> float | None:
    """Returns `time.monotonic()` at which a search's time is up, for workers.

    Within `TICK_SECONDS`, in a store within those of the chief's uploads:
    machines need not agree on the time of day.

    Args:
        directory: Of the search; the chief's clock runs.
    """
    left = _read(directory).seconds_left
    return None if left is None else time.monotonic() + left


def is_search_over(directory: Path) -> bool:
    """Says whether a search needs no more trials."""
    return _read(directory).over is not None


def _read(directory: Path) -> ClockState:
    path = directory / workdir.SEARCH_CLOCK
    if not path.exists():
        return ClockState()
    with workdir.reading(path):
        return ClockState(**workdir.read_json(path))
