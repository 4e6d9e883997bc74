"""`result.json` and its rows, by name: what writers and readers share.

A record reads what an older version wrote: keys that it does not know are left
out, keys that are missing take their defaults.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.evaluation.calibration import Calibration
from tlkeras.evaluation.calibration_gain import CalibrationGain
from tlkeras.evaluation.metrics import primary_metric
from tlkeras.evaluation.phase_details import PhaseComparison, PhaseDetails
from tlkeras.evaluation.record_values import below, prefixed, read_known

VALIDATION, TEST = "val", "test"  # prefixes of keys; splits have longer names


@dataclasses.dataclass(frozen=True)
class PhaseRecord:
    """A row of `phases` in `result.json`.

    Attributes:
        phase: Its name.
        kept: Whether the run ends with its weights.
        best_epoch: Finished epochs at its best; 0 = before training.
        metrics: On validation at its best: `loss` and the primary metric.
        stopped: Why it ended early, or "".
        seconds: Training time, over all restarts.
        comparison: With the weights before, or None.
        details: How it was done.
    """

    phase: str
    kept: bool = False
    best_epoch: int = 0
    metrics: Mapping[str, float] = dataclasses.field(default_factory=dict)
    stopped: str = ""
    seconds: float = 0.0
    comparison: PhaseComparison | None = None
    details: PhaseDetails = dataclasses.field(default_factory=PhaseDetails)

    @property
    def is_fitted(self) -> bool:
        """Whether it trained by gradient descent."""
        return self.details.layer_groups is not None

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON, in the order of the file."""
        return {
            "phase": self.phase,
            "kept": self.kept,
            "best_epoch": self.best_epoch,
            **prefixed(VALIDATION, self.metrics),
            "stopped": self.stopped,
            "seconds": self.seconds,
            "comparison": self.comparison and self.comparison.as_dict(),
            **self.details.as_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "PhaseRecord":
        """Reads a row."""
        comparison = values.get("comparison")
        metrics = below(VALIDATION, values)
        for name, value in metrics.items():
            if not isinstance(value, (int, float)):
                raise TypeError(f"{VALIDATION}/{name} is {value!r}")
        return read_known(
            cls,
            {
                **values,
                "metrics": metrics,
                "comparison": comparison
                and PhaseComparison.from_dict(comparison),
                "details": PhaseDetails.from_dict(values),
            },
        )


@dataclasses.dataclass(frozen=True)
class SplitScore:
    """What a run says of one split in `result.json`.

    Attributes:
        metric: Value of the primary metric.
        loss: Mean over the images, as `evaluation_SPLIT.json` has it.
        num_examples: Images.
        calibration: What it changed; None where nothing was.
    """

    metric: float
    loss: float = float("nan")
    num_examples: int = 0
    calibration: CalibrationGain | None = None

    def as_dict(self, metric: str) -> dict[str, Any]:
        """Returns plain values for JSON; `metric` is the name of its own."""
        values: dict[str, Any] = {
            metric: self.metric,
            "loss": self.loss,
            "num_examples": self.num_examples,
        }
        if self.calibration:
            values["calibration"] = self.calibration.as_dict()
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], metric: str) -> "SplitScore":
        """Reads what `as_dict` gave."""
        gain = values.get("calibration")
        return read_known(
            cls,
            {
                **values,
                "metric": values[metric],
                "calibration": gain and CalibrationGain.from_dict(gain),
            },
        )


@dataclasses.dataclass(frozen=True)
class RunResult:
    """What `result.json` holds.

    Attributes:
        class_names: [C] in the order of the logits.
        multi_label: Whether images may carry several labels.
        image_size: Side of the square input, pixels.
        image_definition: `version` and `geometry` of what an image is.
        loss: Key of `optim.losses.LOSSES`.
        num_parameters: Of the whole model.
        trainable_parameters: Of the phase that is kept.
        scores: `val`, and `test` where it was looked at -> its figures.
        seconds: `features`, each phase and `total` -> wall time.
        best_phase: Whose weights the run ends with.
        best_epoch: Of that phase.
        calibration: Of the logits; None where that was not asked for.
        phases: In order.
        versions: Package -> version.
    """

    class_names: tuple[str, ...]
    multi_label: bool = False
    image_size: int = 0
    image_definition: Mapping[str, int | str] = dataclasses.field(
        default_factory=dict
    )
    loss: str = ""
    num_parameters: int = 0
    trainable_parameters: int = 0
    scores: Mapping[str, SplitScore] = dataclasses.field(default_factory=dict)
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    best_phase: str = ""
    best_epoch: int = 0
    calibration: Calibration | None = None
    phases: tuple[PhaseRecord, ...] = ()
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def metric(self) -> str:
        """The metric that models are chosen by, without prefix."""
        return primary_metric(self.multi_label)

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON, in the order of the file."""
        values: dict[str, Any] = {
            "class_names": list(self.class_names),
            "multi_label": self.multi_label,
            "image_size": self.image_size,
            "image_definition": dict(self.image_definition),
            "loss": self.loss,
            "num_parameters": self.num_parameters,
            "trainable_parameters": self.trainable_parameters,
        }
        for prefix, score in self.scores.items():
            values |= prefixed(prefix, score.as_dict(self.metric))
        return {
            **values,
            **prefixed("seconds", self.seconds),
            "best_phase": self.best_phase,
            "best_epoch": self.best_epoch,
            **(
                {"calibration": self.calibration.as_dict()}
                if self.calibration
                else {}
            ),
            "phases": [row.as_dict() for row in self.phases],
            "versions": dict(self.versions),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunResult":
        """Reads what a run wrote."""
        names = values["class_names"]
        if not isinstance(names, list) or not all(
            isinstance(name, str) for name in names
        ):
            raise TypeError(f"class_names is {names!r}")
        metric = primary_metric(bool(values.get("multi_label")))
        calibration = values.get("calibration")
        if calibration:
            calibration = Calibration.from_dict(calibration)
            calibration.require_classes(len(names))
        found = {name: below(name, values) for name in (VALIDATION, TEST)}
        scores = {
            name: SplitScore.from_dict(own, metric)
            for name, own in found.items()
            if metric in own
        }
        return read_known(
            cls,
            {
                **values,
                "class_names": tuple(values["class_names"]),
                "scores": scores,
                "seconds": below("seconds", values),
                "calibration": calibration,
                "phases": tuple(
                    PhaseRecord.from_dict(row)
                    for row in values.get("phases", ())
                ),
            },
        )


def read_result(directory: Path) -> RunResult:
    """Reads the `result.json` of a finished run.

    Raises:
        InputError: If it is missing or damaged.
    """
    path = directory / workdir.RESULT
    with workdir.reading(path):
        return RunResult.from_dict(workdir.read_json(path))
