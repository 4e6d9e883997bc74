"""What a person sees while a search runs."""

import sys
import time
from collections.abc import Sequence
from typing import Any

from tlkeras.console import Console
from tlkeras.tuning.page.lines import format_trial, short_names
from tlkeras.tuning.space.hyperparameters import Values
from tlkeras.tuning.trials.asked import Asked
from tlkeras.tuning.trials.outcome import TrialOutcome


class LiveTable:
    """Best so far, this trial, trials an hour, time left.

    A table that renews itself on a terminal, plain lines elsewhere.

    Args:
        console: For plain lines.
        fields: Names of the searched fields.
        total: Trials of the search; None where the oracle decides.
        seconds_left: Of the search's budget, or None.
    """

    def __init__(
        self,
        console: Console,
        fields: Sequence[str],
        total: int | None,
        seconds_left: float | None,
    ) -> None:
        self.console = console
        self.names = short_names(fields)
        self.total = total
        self.budget = seconds_left
        self.started = time.monotonic()
        self.done = 0
        self.best: TrialOutcome | None = None
        self.current = ""
        self._waiting = 0
        self._live: Any = None

    def __enter__(self) -> "LiveTable":
        if not self.console.quiet and sys.stdout.isatty():
            from rich.live import Live

            self._live = Live(self._render(), refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.update(self._render())
            self._live.stop()

    def begin(self, asked: Sequence[Asked]) -> None:
        """Notes what runs now."""
        self._waiting = len(asked)
        if len(asked) == 1:
            self.current = self._describe(asked[0].values)
            return self._refresh()
        epochs = sorted({one.epochs for one in asked})
        self.current = (
            f"stage {asked[0].stage}: {len(asked)} trials at once, "
            f"{', '.join(map(str, epochs))} epochs"
        )
        self._line(self.current)
        return self._refresh()

    def end(self, outcome: TrialOutcome) -> None:
        """Counts a trial."""
        self.done += 1
        self._waiting -= 1
        accuracy = outcome.val_accuracy
        best = self.best.val_accuracy if self.best else None
        is_best = accuracy is not None and (best is None or accuracy > best)
        if is_best:
            self.best = outcome
        if self._waiting <= 0 and not self._is_alone:
            self._line(f"{self._progress()}; best {self._best()}")
        elif self._is_alone:
            line = format_trial(
                outcome, self.done, self.total or self.done, self.names
            )
            mark = "  <-- best so far" if is_best else ""
            reason = f"  {outcome.reason}" if outcome.reason else ""
            self._line(f"{line}{mark}{reason}; {self._progress()}")
        self._refresh()

    @property
    def _is_alone(self) -> bool:
        """Whether trials run one by one."""
        return not self.current.startswith("stage")

    def _line(self, text: str) -> None:
        if self._live is None:
            self.console.line(text)

    def _describe(self, values: Values) -> str:
        return ", ".join(
            f"{self.names.get(name, name)} "
            f"{f'{value:.4g}' if isinstance(value, float) else value}"
            for name, value in values.items()
        )

    def _best(self) -> str:
        if self.best is None or self.best.val_accuracy is None:
            return "none yet"
        values = self._describe(self.best.values)
        return f"{self.best.val_accuracy:.4f} at {values}"

    def _progress(self) -> str:
        elapsed = max(time.monotonic() - self.started, 1e-6)
        rate = self.done / elapsed
        text = f"{self.done} trials, {3600 * rate:.0f} an hour"
        left = None
        if self.total is not None and rate > 0:
            left = max(0, self.total - self.done) / rate
        if self.budget is not None:
            budget = max(0.0, self.budget - elapsed)
            left = budget if left is None else min(left, budget)
        return text if left is None else f"{text}, {left:.0f} s left"

    def _refresh(self) -> None:
        if self._live is not None:
            self._live.update(self._render())

    def _render(self) -> Any:
        from rich.table import Table

        table = Table(show_header=False, box=None)
        table.add_row("best so far", self._best())
        table.add_row("now", self.current)
        table.add_row("progress", self._progress())
        return table
