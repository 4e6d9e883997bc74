"""Which definition of an image a run has; needs no TensorFlow.

A run, its exported models and its cached activations keep the definition that
they were made with:

1. Pixels as they are stored: no orientation, reduction by the JPEG decoder
   only, the aspect ratio is not kept.
2. Upright pixels, reduced alike in every format, in a chosen geometry.
"""

import dataclasses

from ml_collections import ConfigDict

from tlkeras.config.image_definition import (
    FIRST_DEFINITION,
    NEWEST_DEFINITION,
)
from tlkeras.errors import InputError
from tlkeras.startup import has_tensorflow

GREY = 128  # of the bars of a letterbox
MAX_PIXELS = 100_000_000
IMAGE_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")  # as Pillow calls them


@dataclasses.dataclass(frozen=True)
class ImageDefinition:
    """What the pixels of an encoded image are.

    Attributes:
        version: 1 or 2.
        geometry: Key of `placement.GEOMETRIES`; version 1 has `squash` only.
        max_pixels: A larger image is refused before it is decoded; no part of
            what the pixels are.
    """

    version: int = NEWEST_DEFINITION
    geometry: str = "squash"
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        """Refuses what version 1 did not have."""
        if not self.is_upright and self.geometry != "squash":
            raise InputError(
                f"data.geometry={self.geometry} needs the second definition of "
                "an image; expected squash with data.image_definition=1: set "
                "--config.data.image_definition=2."
            )

    @property
    def recipe(self) -> int | str:
        """What names the pixels in a hash; version 1 has its old name."""
        return 1 if not self.is_upright else f"{self.version}:{self.geometry}"

    @property
    def is_upright(self) -> bool:
        """Whether an EXIF orientation is applied."""
        return self.version > FIRST_DEFINITION

    def as_dict(self) -> dict[str, int | str]:
        """Returns the version and the geometry, for JSON."""
        return {"version": self.version, "geometry": self.geometry}


CURRENT = ImageDefinition()
FIRST = ImageDefinition(FIRST_DEFINITION)


def configured_definition(config: ConfigDict) -> ImageDefinition:
    """Returns the definition that a run's config names.

    Raises:
        InputError: If it is TensorFlow's alone, which is not installed.
    """
    data = config.data
    definition = ImageDefinition(
        data.image_definition or NEWEST_DEFINITION,
        data.geometry,
        data.max_pixels,
    )
    if not (definition.is_upright or has_tensorflow()):
        raise InputError(
            "data.image_definition=1 needs TensorFlow, which is not installed; "
            "expected the second definition: set "
            "--config.data.image_definition=2, or run pip install tensorflow."
        )
    return definition
