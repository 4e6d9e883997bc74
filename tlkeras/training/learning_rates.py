"""What a range test found: a record, its file, and its words."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.optim.lr_rules import RULES, Region
from tlkeras.tables import lookup

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class LearningRates:
    """What a range test found out.

    Attributes:
        phase: That was tested.
        rates: [n] base rates, one a step; groups multiply them.
        losses: [n] of the batches, before each step's update.
        smoothed: [n] the same without what differs from batch to batch: the
            smoothed change against the loss of the same batch, with the same
            dropout, on untouched weights.
        rule: Key of `lr_rules.RULES` that was asked for, or chosen.
        suggestions: Rule -> rate.
        regions: What ranges of rates do.
        groups: Group -> its rate at a base rate of 1.
        stopped: Why the test ended early, or "".
        seconds: What it took.
    """

    phase: str
    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    rule: str
    suggestions: dict[str, float]
    regions: list[Region]
    groups: dict[str, float]
    stopped: str
    seconds: float

    @property
    def learning_rate(self) -> float:
        """The suggestion of the rule that was asked for."""
        return self.suggestions[self.rule]

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            "rates": self.rates.tolist(),
            "losses": self.losses.tolist(),
            "smoothed": self.smoothed.tolist(),
            "suggestions": self.suggestions,
            "rule": self.rule,
            "learning_rate": self.learning_rate,
            "regions": [dataclasses.asdict(r) for r in self.regions],
            "initial_loss": float(self.losses[0]),
            "stopped": self.stopped,
            "groups": self.groups,
            "seconds": round(self.seconds, 3),
        }


def check_rule(rule: str) -> None:
    """Makes sure that a rule is known.

    Raises:
        InputError: If it is neither `auto` nor in `lr_rules.RULES`.
    """
    lookup({AUTO: None, **RULES}, rule, what="rule")


def write_learning_rates(found: LearningRates, directory: Path) -> None:
    """Writes `lr_finder.json`, beside what was found for other phases.

    Args:
        found: For one phase.
        directory: Of the run.
    """
    path = directory / workdir.LR_FINDER
    known = {}
    if path.exists():
        with workdir.reading(path):
            known = dict(workdir.read_json(path))
    workdir.write_json(path, {**known, found.phase: found.as_dict()})


def format_learning_rates(found: LearningRates) -> str:
    """Returns what was found, for people."""
    lines = [
        f"{region.name:<16}{region.low:.1e} .. {region.high:.1e}"
        for region in found.regions
    ]
    lines += [
        f"{name:<16}{rate:.2e}{'  <-' if name == found.rule else ''}"
        for name, rate in found.suggestions.items()
    ]
    if found.stopped:
        lines.append(f"ended early: {found.stopped}")
    return "\n".join(lines)
