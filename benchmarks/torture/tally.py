"""Counts of what was tried, and findings with what reproduces them."""

import collections
import dataclasses
import time


@dataclasses.dataclass
class Tally:
    """Of one campaign.

    Attributes:
        name: Of the campaign.
        counts: What was tried, and how it ended -> how often.
        findings: Each with what reproduces it.
        started: Seconds of the monotonic clock.
    """

    name: str
    counts: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    findings: list[str] = dataclasses.field(default_factory=list)
    started: float = dataclasses.field(default_factory=time.monotonic)

    def count(self, what: str, number: int = 1) -> None:
        """Counts something that was tried or seen."""
        self.counts[what] += number

    def find(self, text: str) -> None:
        """Keeps and prints what should not be."""
        self.findings.append(text)
        print(f"FINDING {self.name}: {text}", flush=True)

    def report(self) -> str:
        """Returns the counts, the number of findings, and the time."""
        seconds = time.monotonic() - self.started
        lines = [f"{key}: {n}" for key, n in sorted(self.counts.items())]
        lines.append(f"findings: {len(self.findings)}, {seconds:.0f} s")
        return "\n".join(f"{self.name}: {line}" for line in lines)
