"""How a phase of a run was done, and what it is worth beside the one before.

As in `records.py`, whose rows these are part of.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tlkeras.evaluation.metrics import format_change
from tlkeras.evaluation.record_values import read_known


@dataclasses.dataclass(frozen=True)
class GroupRow:
    """One layer group of a fitted phase; rows go from the head down.

    Attributes:
        group: Its name.
        first_layer: Name of its lowest layer.
        last_layer: Name of its highest layer.
        layers: Number of layers.
        variables: Number of variables that train.
        parameters: Numbers in these variables.
        optimizer: Key of `optim.optimizers.OPTIMIZERS`.
        learning_rate: At the peak of the schedule.
        weight_decay: Decoupled.
    """

    group: str
    first_layer: str = ""
    last_layer: str = ""
    layers: int = 0
    variables: int = 0
    parameters: int = 0
    optimizer: str = ""
    learning_rate: float = 0.0
    weight_decay: float = 0.0


@dataclasses.dataclass(frozen=True)
class MixedWeights:
    """Whether a run went on with a phase's weights, those before, or between.

    Attributes:
        share: Of the phase's own weights: 0 = those before, 1 = its own.
        p_value: One-sided, that the log loss of the best but those before is
            not below that of those before.
        tried: (share, primary metric, log loss as calibrated) on validation.
    """

    share: float
    p_value: float
    tried: tuple[tuple[float, float, float], ...]

    def describe(self) -> str:
        """Returns a sentence for people, without a full stop."""
        losses = {share: f"{loss:.4f}" for share, _, loss in self.tried}
        if len(losses) == 2:
            text = f"log loss {losses[1]}, before {losses[0]}"
        else:
            listed = ", ".join(f"{s:g}: {loss}" for s, loss in losses.items())
            text = f"log loss by the share of its weights, {listed}"
        return f"{text}; {self.share:g} of it is taken (p {self.p_value:.3f})"

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {**vars(self), "tried": [list(point) for point in self.tried]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "MixedWeights":
        """Reads what `as_dict` gave."""
        tried = tuple((share, x, y) for share, x, y in values["tried"])
        return read_known(cls, {**values, "tried": tried})


@dataclasses.dataclass(frozen=True)
class PhaseDetails:
    """How a phase was done; None where that is no part of its method.

    Attributes:
        l2: Chosen strength of a solved phase.
        tried: (strength, score) of each that was tried.
        layer_groups: Of a fitted phase.
        epochs: For which it was to train, whatever ended it before.
        mixed: What lies between its weights and those before.
    """

    l2: float | None = None
    tried: tuple[tuple[float, float], ...] | None = None
    layer_groups: tuple[GroupRow, ...] | None = None
    epochs: int | None = None
    mixed: MixedWeights | None = None

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON, without what is None."""
        values: dict[str, Any] = {}
        if self.l2 is not None:
            values["l2"] = self.l2
        if self.tried is not None:
            values["tried"] = [list(pair) for pair in self.tried]
        if self.layer_groups is not None:
            values["layer_groups"] = [
                dataclasses.asdict(row) for row in self.layer_groups
            ]
        if self.epochs is not None:
            values["epochs"] = self.epochs
        if self.mixed is not None:
            values["mixed"] = self.mixed.as_dict()
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PhaseDetails":
        """Reads the same keys, wherever they stand among others."""
        tried, groups = values.get("tried"), values.get("layer_groups")
        mixed = values.get("mixed")
        return cls(
            values.get("l2"),
            None if tried is None else tuple((x, y) for x, y in tried),
            None
            if groups is None
            else tuple(read_known(GroupRow, row) for row in groups),
            values.get("epochs"),
            mixed and MixedWeights.from_dict(mixed),
        )


@dataclasses.dataclass(frozen=True)
class PhaseComparison:
    """A phase's weights against those before, image by image.

    Attributes:
        against: Name of the phase whose weights were there.
        score: What is averaged over images, in words.
        difference: Mean of (new - old).
        interval: 95 % bootstrap interval of the difference.
        p_value: One-sided.
        num_better: Images that only the new weights have right, or better.
        num_worse: Images that only the old weights have right, or better.
    """

    against: str
    score: str = ""
    difference: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)
    p_value: float = 1.0
    num_better: int = 0
    num_worse: int = 0

    def describe(self) -> str:
        """Returns the difference with its interval, for people."""
        return format_change(self.difference, self.interval)

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {**dataclasses.asdict(self), "interval": list(self.interval)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PhaseComparison":
        """Reads what `as_dict` gave."""
        low, high = values.get("interval", cls.interval)
        return read_known(cls, {**values, "interval": (low, high)})
