"""Two ways from an image to a heat map: dense evaluation, sliding windows."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import keras
import numpy as np

from tlkeras.data.decoding import decode_contents
from tlkeras.data.framing_numpy import frame_pixels
from tlkeras.errors import InputError
from tlkeras.evaluation.heat_map import HeatMap
from tlkeras.evaluation.run import Run
from tlkeras.models.dense import build_dense, spread_answers
from tlkeras.models.inference import run_batches, run_outputs
from tlkeras.optim.losses import compute_probabilities
from tlkeras.studies.windows import (
    LARGEST_SCALE,
    WINDOW_SCALES,
    cover_with_windows,
    place_windows,
    pool_windows,
)

BATCH = 8


@dataclasses.dataclass(frozen=True)
class HeatmapSettings:
    """How heat maps are made.

    Attributes:
        method: Key of `MAPPERS`.
        size: Side of the image for `dense`, pixels; None = the run's own, and
            about twice that for a `flatten` head, which has one cell there.
        scales: Of `windows`, each in 1 .. 16.
        classes: Names of those to report; empty = each image's top one.
    """

    method: str = "dense"
    size: int | None = None
    scales: Sequence[float] = WINDOW_SCALES
    classes: Sequence[str] = ()

    def __post_init__(self) -> None:
        """Refuses scales that give no windows."""
        if not self.scales or not all(
            1 <= scale <= LARGEST_SCALE for scale in self.scales
        ):
            raise InputError(
                f"scales={list(self.scales)} is out of range; expected one or "
                f"more numbers in 1 .. {LARGEST_SCALE:g}, such as --scales="
                f"{','.join(f'{scale:g}' for scale in WINDOW_SCALES)}."
            )
        if self.method != "dense" and self.size is not None:
            raise InputError(
                f"size={self.size} has no effect on method={self.method}; "
                "expected it with dense only: leave --size out, or choose "
                "--scales."
            )


@dataclasses.dataclass(frozen=True)
class DecodedImage:
    """An image in memory.

    Attributes:
        content: Encoded bytes.
        pixels: uint8 [h, w, 3], upright, at its own size.
    """

    content: bytes
    pixels: np.ndarray


@dataclasses.dataclass(frozen=True)
class MappedImage:
    """What a mapper says of an image.

    Attributes:
        heat_map: Scores in a grid.
        logits: [C] of the classifier on the whole image.
        deviation: Of the mean of the class maps from the logits, at the run's
            own size, relative to the largest logit; None where the mean is
            something else.
        pooled: Name -> [C] image scores made of the windows' scores.
    """

    heat_map: HeatMap
    logits: np.ndarray
    deviation: float | None = None
    pooled: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


class Mapper(Protocol):
    """Makes heat maps of images.

    Attributes:
        description: For `heatmaps.json`.
    """

    description: dict[str, object]

    def map_images(self, images: Sequence[DecodedImage]) -> list[MappedImage]:
        """Maps at most `BATCH` images."""

    def score_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the scores [h, w, C] of one image uint8 [H, W, 3]."""


class DenseMapper:
    """One pass over the image, by `models.dense`.

    Args:
        run: Whose model it is.
        settings: Of which `size` counts.
    """

    def __init__(self, run: Run, settings: HeatmapSettings) -> None:
        self._run = run
        own = build_dense(run.model)
        size = settings.size
        if size is None and own.window > 1:
            size = 2 * run.image_size // own.stride * own.stride
        self._is_additive = own.is_additive
        # Both of one pass: what they share is computed once.
        self._own = keras.Model(
            own.model.inputs[0], [*own.model.outputs, *run.model.outputs]
        )
        self.dense = (
            own
            if size in (None, run.image_size)
            else build_dense(run.model, image_size=size)
        )
        self._is_own = self.dense is own
        self.description: dict[str, object] = {
            "size": self.dense.image_size,
            "stride": self.dense.stride,
            "values": "class maps" if own.is_additive else "cell scores",
        }

    def map_images(self, images: Sequence[DecodedImage]) -> list[MappedImage]:
        """Maps at most `BATCH` images."""
        contents = [image.content for image in images]
        own = self._decode(contents, self._run.image_size)
        maps, logits = run_outputs(self._own, [own])
        deviations = np.abs(maps.mean((1, 2)) - logits).max(-1)
        deviations /= np.maximum(np.abs(logits).max(-1), 1e-12)
        if not self._is_own:
            larger = self._decode(contents, self.dense.image_size)
            maps = run_batches(self.dense.model, [larger])
        return [
            MappedImage(
                self._as_heat_map(maps[row], image),
                logits[row],
                float(deviations[row]) if self._is_additive else None,
            )
            for row, image in enumerate(images)
        ]

    def score_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the scores [h, w, C] of one image uint8 [S, S, 3]."""
        return self._to_scores(run_batches(self.dense.model, [pixels[None]])[0])

    def _decode(self, contents: list[bytes], size: int) -> np.ndarray:
        batch = np.zeros((BATCH, size, size, 3), np.uint8)
        definition = self._run.image_definition
        batch[: len(contents)] = decode_contents(
            contents, (size, size), definition
        )
        return batch

    def _to_scores(self, maps: np.ndarray) -> np.ndarray:
        maps = spread_answers(maps, self.dense.window)
        return compute_probabilities(maps, self._run.loss)

    def _as_heat_map(self, maps: np.ndarray, image: DecodedImage) -> HeatMap:
        height, width = image.pixels.shape[:2]
        return HeatMap.of_input(
            self._to_scores(maps),
            (width, height),
            side=self.dense.image_size,
            geometry=self._run.image_definition.geometry,
        )


class WindowMapper:
    """The classifier on squares of the image.

    Args:
        run: Whose model it is.
        settings: Of which `scales` count.
    """

    def __init__(self, run: Run, settings: HeatmapSettings) -> None:
        self._run = run
        self._scales = settings.scales
        self.description: dict[str, object] = {"scales": list(settings.scales)}

    def map_images(self, images: Sequence[DecodedImage]) -> list[MappedImage]:
        """Maps images one by one."""
        return [self._map(image) for image in images]

    def _map(self, image: DecodedImage) -> MappedImage:
        height, width = image.pixels.shape[:2]
        size, definition = self._run.image_size, self._run.image_definition
        (whole,) = decode_contents([image.content], (size, size), definition)
        logits = run_batches(
            self._run.model,
            _in_batches([whole, *self._crop(image.pixels)]),
        )
        scores = compute_probabilities(logits[1:], self._run.loss)
        return MappedImage(
            HeatMap(
                self._cover(scores, height, width),
                (0.0, 0.0, width, height),
                (width, height),
            ),
            logits[0],
            pooled=pool_windows(scores),
        )

    def score_pixels(self, pixels: np.ndarray) -> np.ndarray:
        """Returns the scores [h, w, C] of one image uint8 [H, W, 3]."""
        logits = run_batches(self._run.model, _in_batches(self._crop(pixels)))
        scores = compute_probabilities(logits, self._run.loss)
        height, width = pixels.shape[:2]
        return self._cover(scores, height, width)

    def _cover(self, scores: np.ndarray, height: int, width: int) -> np.ndarray:
        windows = place_windows(height, width, self._scales)
        return cover_with_windows(windows, scores, height=height, width=width)

    def _crop(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Returns the windows of an image, as they enter the network."""
        size, definition = self._run.image_size, self._run.image_definition
        height, width = pixels.shape[:2]
        return [
            frame_pixels(
                pixels[top : top + side, left : left + side],
                (size, size),
                definition,
            )
            for top, left, side in place_windows(height, width, self._scales)
        ]


def _in_batches(images: list[np.ndarray]) -> list[np.ndarray]:
    """Returns uint8 arrays [BATCH + 1, S, S, 3]; the last one may be smaller.

    Nine windows, those of one scale of 2, are one batch.
    """
    return [
        np.stack(images[start : start + BATCH + 1])
        for start in range(0, len(images), BATCH + 1)
    ]


MAPPERS: dict[str, Callable[[Run, HeatmapSettings], Mapper]] = {
    "dense": DenseMapper,
    "windows": WindowMapper,
}
