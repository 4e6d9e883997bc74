"""How similar images are to the source of a backbone's weights."""

import dataclasses
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.models.classifier import Classifier
from tlkeras.models.source_distance import (
    NormDistance,
    build_moments_model,
    measure_distances,
    norm_calls,
)
from tlkeras.studies.quadrants import DIFFERENT_ABOVE, read_distance
from tlkeras.training.prefixes import open_prefix

NUM_IMAGES = 256  # give the distance to .004
BATCH = 32


@dataclasses.dataclass(frozen=True)
class Similarity:
    """A set of images against the source.

    Attributes:
        layers: The distance at each BatchNormalization, from stem to top.
        num_images: That it was measured on.
    """

    layers: tuple[NormDistance, ...]
    num_images: int

    @property
    def distance(self) -> float:
        """Mean over the layers; 0 = as in the source."""
        return float(np.mean([layer.distance for layer in self.layers]))

    @property
    def stages(self) -> dict[int, float]:
        """Stage, log2 of the output stride, -> mean over its layers."""
        return {
            stage: float(
                np.mean([x.distance for x in self.layers if x.stage == stage])
            )
            for stage in sorted({layer.stage for layer in self.layers})
        }

    @property
    def stops_at(self) -> int | None:
        """The first stage that no longer recognises the images, if any."""
        return next(
            (s for s, value in self.stages.items() if value > DIFFERENT_ABOVE),
            None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns what `advice.json` holds."""
        stops_at = self.stops_at
        return {
            "distance": self.distance,
            "reading": read_distance(self.distance),
            "num_images": self.num_images,
            "stages": {f"stage{s}": v for s, v in self.stages.items()},
            "stops_at": None if stops_at is None else f"stage{stops_at}",
            "layers": [dataclasses.asdict(layer) for layer in self.layers],
        }


def why_unknown(classifier: Classifier, weights: str) -> str:
    """Returns why similarity cannot be measured, or "".

    Args:
        classifier: Whose backbone it is.
        weights: `model.weights` of the config.
    """
    if not norm_calls(classifier):
        return (
            f"{classifier.spec.name} has no BatchNormalization, whose "
            "statistics would tell what its source was like: similarity is "
            "unknown, and the profile by depth decides in its place"
        )
    if weights == "none":
        return (
            "random weights have no source: similarity is unknown, and the "
            "profile by depth decides in its place"
        )
    return ""


def measure_similarity(
    config: ConfigDict, classifier: Classifier, images: Split, console: Console
) -> Similarity:
    """Measures how far images are from the source, in one pass.

    Args:
        config: Its seed and its `features` and `runtime` sections count.
        classifier: For which `why_unknown` says nothing.
        images: Of which `NUM_IMAGES` are drawn.
        console: For progress.
    """
    drawn = images.draw(NUM_IMAGES, config.seed)
    prefix = open_prefix(
        build_moments_model(classifier), images, config, console
    )
    # Moments of a few images are not worth a place on disk.
    moments = prefix.activations(
        drawn, prefix.plain, what="statistics", live=True
    )
    layers = measure_distances(classifier, moments.batches(BATCH))
    return Similarity(tuple(layers), len(drawn))
