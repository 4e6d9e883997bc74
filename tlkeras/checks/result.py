"""What a check says."""

import dataclasses
from typing import Any

PASS, WARN, FAIL = "pass", "warn", "fail"


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        name: Of the check.
        verdict: pass | warn | fail.
        value: What was measured.
        expected: What it should be, in words or as a number.
        message: One sentence for people.
    """

    name: str
    verdict: str
    value: Any
    expected: Any
    message: str
