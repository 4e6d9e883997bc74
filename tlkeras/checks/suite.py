"""Running checks one by one, keeping what they say, and stopping on it."""

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tlkeras import workdir
from tlkeras.checks.result import FAIL, PASS, SKIP, WARN, CheckResult
from tlkeras.console import Console
from tlkeras.errors import GateError


class Suite:
    """Runs checks, prints each result, and writes `checks.json`.

    Results of earlier commands on the same run and data stay, unless a check
    of that name runs again.

    Args:
        path: Of `checks.json`.
        console: For people.
        data: Fingerprint of the data set.

    Attributes:
        results: Of this suite, in order.
    """

    def __init__(self, path: Path, console: Console, data: str) -> None:
        self.path = path
        self.console = console
        self.data = data
        self.results: list[CheckResult] = []

    def run(
        self, check: Callable[[], CheckResult], *, phase: str = ""
    ) -> CheckResult:
        """Runs a check.

        Args:
            check: Takes nothing, gives its result.
            phase: What it is about; its name becomes NAME/PHASE.
        """
        started = time.perf_counter()
        result = check()
        self.results.append(
            dataclasses.replace(
                result,
                name=f"{result.name}/{phase}" if phase else result.name,
                seconds=round(time.perf_counter() - started, 3),
            )
        )
        self.console.line(format_check(self.results[-1]))
        return self.results[-1]

    def write(self) -> None:
        """Writes all results, with those of earlier commands."""
        merged = {}
        if self.path.exists():
            with workdir.reading(self.path):
                merged = {
                    row["name"]: row
                    for row in workdir.read_json(self.path)
                    if row.get("data") == self.data
                }
        merged |= {
            r.name: {**dataclasses.asdict(r), "data": self.data}
            for r in self.results
        }
        workdir.write_json(self.path, list(merged.values()))

    def require_passed(self, *, strict: bool) -> None:
        """Raises on a failed check, if strict.

        Raises:
            GateError: Naming the first failed check.
        """
        require_passed(self.results, strict=strict)


def format_check(result: CheckResult) -> str:
    """Returns one line: name, verdict, what was seen."""
    return f"check {result.name}: {result.verdict}. {result.message}"


def format_counts(results: Sequence[CheckResult]) -> str:
    """Returns how many checks passed, warned, failed and were skipped."""
    counts = Counter(result.verdict for result in results)
    words = {PASS: "passed", WARN: "warned", FAIL: "failed", SKIP: "skipped"}
    return ", ".join(
        f"{counts[verdict]} {word}"
        for verdict, word in words.items()
        if counts[verdict] or verdict != SKIP
    )


def require_passed(results: Sequence[CheckResult], *, strict: bool) -> None:
    """Raises on a failed check, if strict.

    Raises:
        GateError: Naming the first failed check.
    """
    failed = [result for result in results if result.verdict == FAIL]
    if failed and strict:
        raise GateError(
            f"The check '{failed[0].name}' failed: {failed[0].message} "
            f"Expected {failed[0].expected}; mend it, or pass "
            "--config.checks.strict=False to go on."
        )
