"""The curves of one phase, and what was found in them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

BARELY = 0.02  # relative change of a loss that is none
LEARNT_LOSS = 0.1  # of knowing nothing; below, a loss is in a few images


def finite(values: np.ndarray) -> np.ndarray:
    """Returns those of the values [E] that are numbers."""
    return values[np.isfinite(values)]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that the history shows.

    Attributes:
        name: Of the symptom.
        phase: Where it shows.
        severity: `warn`, or `info` where nothing is wrong.
        message: One sentence with the numbers.
        evidence: Label -> number.
        change: The one change to try.
        flag: The same, to paste.
    """

    name: str
    phase: str
    severity: str
    message: str
    evidence: dict[str, float | str]
    change: str
    flag: str


@dataclasses.dataclass(frozen=True)
class PhaseHistory:
    """The curves of one phase that was fitted, and how it was set up.

    Attributes:
        name: Of the phase.
        settings: Its section of the config.
        model: The `model` section.
        train_loss: [epochs], NaN where nothing was written.
        train_metric: [epochs].
        val_loss: [epochs].
        val_metric: [epochs].
        noise: [epochs] of the loss, from batch to batch.
        steps: [epochs] optimizer steps in each.
        ratios: Group -> [epochs] update over weight norm.
        rates: Group -> [epochs] learning rate.
        knowing_nothing: Loss of a head that knows nothing.
        chance: Metric of knowing nothing.
        num_validation: Images of the validation split.
        stopped: Why the phase ended early, or "".
        dead_codes: Share of the codes that are the same for every image; None
            where the phase's weights were given up.
    """

    name: str
    settings: Mapping[str, Any]
    model: Mapping[str, Any]
    train_loss: np.ndarray
    train_metric: np.ndarray
    val_loss: np.ndarray
    val_metric: np.ndarray
    noise: np.ndarray
    steps: np.ndarray
    ratios: Mapping[str, np.ndarray]
    rates: Mapping[str, np.ndarray]
    knowing_nothing: float
    chance: float
    num_validation: int
    stopped: str
    dead_codes: float | None

    def flag(self, field: str, value: Any) -> str:
        """Returns a flag for a field of the phase."""
        return f"--config.phases.{self.name}.{field}={value}"

    def finding(
        self,
        name: str,
        message: str,
        *,
        change: str,
        flag: str,
        **evidence: Any,
    ) -> Finding:
        """Returns a finding in this phase."""
        shown = {
            key.replace("_", " "): float(f"{value:.4g}")
            if isinstance(value, (int, float))
            else value
            for key, value in evidence.items()
        }
        return Finding(name, self.name, "warn", message, shown, change, flag)
