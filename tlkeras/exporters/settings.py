"""What to export, and what it may cost."""

import dataclasses

from tlkeras.errors import InputError
from tlkeras.exporters.formats import SAVED_MODEL, TFLITE
from tlkeras.tables import lookup

GATE_SPLITS = ("validation", "test")


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """What to export, and what it may cost.

    Attributes:
        formats: Keys of `FORMATS`, or `tflite` for all of its kinds.
        version: Number of the version, or None for the next.
        max_drop: Largest drop in accuracy against Keras, in 0..1.
        split: Whose images the gate uses: validation | test.
        num_calibration_images: Of the training split, for `int8`.
    """

    formats: tuple[str, ...] = (SAVED_MODEL, TFLITE)
    version: int | None = None
    max_drop: float = 0.01
    split: str = "validation"
    num_calibration_images: int = 200

    def __post_init__(self) -> None:
        """Checks the values."""
        lookup(dict.fromkeys(GATE_SPLITS), self.split, what="split")
        if not 0 <= self.max_drop <= 1:
            raise InputError(
                f"max_drop={self.max_drop} is out of range; expected a drop in "
                "accuracy from 0 to 1: 0.01 is one image in a hundred."
            )
