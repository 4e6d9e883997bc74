"""What a check says."""

import dataclasses
from typing import Any

PASS, WARN, FAIL, SKIP = "pass", "warn", "fail", "skip"


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        name: Of the check.
        verdict: pass | warn | fail, or skip where it says nothing.
        value: What was measured.
        expected: What it should be, in words or as a number.
        message: One sentence for people.
        seconds: What it took.
    """

    name: str
    verdict: str
    value: Any
    expected: Any
    message: str
    seconds: float = 0.0
