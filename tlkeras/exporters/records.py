"""What an export leaves behind: `export.json`, its rows and `model_info.json`.

The fields stand in the order of the files.
"""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any, Self

from tlkeras.devices import installed_versions

Interval = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """How a written file compares with the Keras model on the same images.

    Attributes:
        num_bytes: Of the file with its parts.
        is_finite: Whether all scores are.
        accuracy: Top-1, or the mean ranking average precision of an image
            where it may carry several labels; 0..1.
        accuracy_interval: Its 95 % bootstrap interval.
        drop: Of accuracy against Keras, positive where the file is worse.
        drop_interval: Its paired 95 % bootstrap interval.
        num_disagreements: Images with other labels than Keras gives.
        mcnemar_p: Exact two-sided p; None with several labels.
        largest_probability_shift: Of any score of any image.
        worst_class: The class that drops most.
        worst_class_drop: Its drop.
        latency_p50_ms: Of one image.
        latency_p99_ms: Of one image.
        note: What a user must know to run it, or "".
        operators: Names of the operators in the file, sorted.
        heatmap_shift: Largest shift of any score of the mean class map from
            the answer; None without maps.
    """

    num_bytes: int
    is_finite: bool
    accuracy: float
    accuracy_interval: Interval
    drop: float
    drop_interval: Interval
    num_disagreements: int
    mcnemar_p: float | None
    largest_probability_shift: float
    worst_class: str
    worst_class_drop: float
    latency_p50_ms: float
    latency_p99_ms: float
    note: str
    operators: list[str]
    heatmap_shift: float | None = None

    def as_dict(self) -> dict[str, object]:
        """Returns the figures by name, in their order in `export.json`."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Reads the figures out of a row of `export.json`."""
        names = [field.name for field in dataclasses.fields(cls)]
        intervals = {
            name: tuple(row[name])
            for name in ("accuracy_interval", "drop_interval")
        }
        # Earlier exports had no maps.
        return cls(**{n: row[n] for n in names if n in row} | intervals)


@dataclasses.dataclass(frozen=True)
class ExportRow:
    """What became of one format.

    Attributes:
        path: Of what was written, relative to the export folder, or "".
        refused: Why it was, or "".
        measured: None for a file that could not be written and run.
        warning: What the gate cannot see with so few images, or "".
        seconds: That it took.
        instead: The format that was tried in its place, or "".
    """

    path: str
    refused: str
    measured: Measurement | None
    warning: str
    seconds: float
    instead: str = ""

    @property
    def remarks(self) -> list[str]:
        """What a user must know of the file beside the verdict."""
        note = self.measured.note if self.measured else ""
        return [remark for remark in (note, self.warning) if remark]

    def as_dict(self) -> dict[str, object]:
        """Returns the row of `export.json`, without what does not apply."""
        row: dict[str, object] = {"path": self.path, "refused": self.refused}
        if self.measured:
            row |= self.measured.as_dict() | {"warning": self.warning}
        row["seconds"] = self.seconds
        return row | ({"instead": self.instead} if self.instead else {})

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Reads a row as `as_dict` gives it, or JSON made of that."""
        return cls(
            path=row["path"],
            refused=row["refused"],
            measured=Measurement.from_dict(row) if "drop" in row else None,
            warning=row.get("warning", ""),
            seconds=row["seconds"],
            instead=row.get("instead", ""),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportRecord:
    """What `export.json` holds.

    Attributes:
        name: Of the model, as clients call it.
        version: Number of the version.
        time: When it was exported, UTC, to the second.
        run: Directory of the run.
        config_hash: The identity of its experiment.
        libraries: Package -> version.
        split: Whose images the gate used.
        num_images: Of that split.
        max_drop: The largest that a file might cost.
        keras_accuracy: Of the Keras model, 0..1.
        formats: Key of `formats.FORMATS` -> what became of it.
    """

    name: str
    version: int
    time: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).isoformat(
            timespec="seconds"
        )
    )
    run: str
    config_hash: str
    libraries: dict[str, str] = dataclasses.field(
        default_factory=installed_versions
    )
    split: str
    num_images: int
    max_drop: float
    keras_accuracy: float
    formats: dict[str, ExportRow]

    @property
    def is_refused(self) -> bool:
        """Whether the gate refused any format."""
        return any(row.refused for row in self.formats.values())

    def as_dict(self) -> dict[str, object]:
        """Returns the values of `export.json`, in their order."""
        rows = {name: row.as_dict() for name, row in self.formats.items()}
        return vars(self) | {"formats": rows}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Reads a record as `as_dict` gives it, or JSON made of that."""
        rows = {
            name: ExportRow.from_dict(row)
            for name, row in values["formats"].items()
        }
        return cls(**{**values, "formats": rows})


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """What `model_info.json` says of a model beside its signatures.

    Attributes:
        name: Of the model, as clients call it.
        version: Number of the version.
        classes: [C] in the order of the probabilities.
        multi_label: Whether an image may carry several labels.
        image_size: Side of the square input, pixels.
        image_definition: `version` and `geometry` of what an image is.
        max_pixels: Of an encoded image, beyond which it is refused.
        input_contract: Name of an input -> what it takes.
        backbone: Key of `models.backbones.BACKBONES`, or a file's name.
        config_hash: The identity of the experiment.
        libraries: Package -> version.
        metrics: Split -> the run's own figures.
    """

    name: str
    version: int
    classes: list[str]
    multi_label: bool
    image_size: int
    image_definition: dict[str, int | str]
    max_pixels: int
    input_contract: dict[str, str]
    backbone: str
    config_hash: str
    libraries: dict[str, str]
    metrics: dict[str, dict[str, object]]
