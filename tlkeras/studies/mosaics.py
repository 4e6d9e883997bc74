"""The pointing test: does the map of a class peak where its photo is?

Four photos of four classes make a 2 x 2 mosaic; a map that knows nothing is
right in one of four.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.pipeline import read_files
from tlkeras.errors import InputError
from tlkeras.evaluation.metrics import bootstrap_interval
from tlkeras.evaluation.run import Run
from tlkeras.models.dense import build_dense
from tlkeras.studies.mappers import MAPPERS, HeatmapSettings, Mapper

TILES = 4
CHANCE = 1 / TILES
# Colours alone lift a network of random weights to .32 (docs/measurements.md).
CLEAR = 2 * CHANCE
MAX_MOSAICS = 200
MOSAIC_SCALES = (2.0,)  # nine windows of a tile's size


@dataclasses.dataclass(frozen=True)
class Mosaic:
    """Four images of four classes: top left, top right, bottom left and right.

    Attributes:
        rows: [4] places in the split.
        labels: [4] their classes.
    """

    rows: tuple[int, ...]
    labels: tuple[int, ...]


def plan_mosaics(targets: np.ndarray, *, seed: int) -> list[Mosaic]:
    """Puts images with one label into mosaics, each at most once.

    Args:
        targets: [N, C] multi-hot.
        seed: Of the draw and of the places.

    Raises:
        InputError: If there are fewer than four classes.
    """
    rng = np.random.default_rng(seed)
    single = targets.sum(1) == 1
    left = {
        label: rng.permutation(np.flatnonzero(single & (column > 0))).tolist()
        for label, column in enumerate(targets.T)
    }
    mosaics: list[Mosaic] = []
    while len(mosaics) < MAX_MOSAICS:
        # The classes with most images first, equals in any order.
        order = sorted(
            rng.permutation(len(left)).tolist(), key=lambda i: -len(left[i])
        )[:TILES]
        chosen = rng.permutation([i for i in order if left[i]]).tolist()
        if len(chosen) < TILES:
            break
        rows = tuple(left[label].pop() for label in chosen)
        mosaics.append(Mosaic(rows, tuple(chosen)))
    if not mosaics:
        raise InputError(
            "The pointing test needs images of four classes, each with one "
            f"label, and the split has {sum(map(bool, left.values()))}; "
            "expected more classes: name images instead of --split."
        )
    return mosaics


def tile(images: np.ndarray) -> np.ndarray:
    """Makes one image of four.

    Args:
        images: uint8 [4, T, T, 3].

    Returns:
        uint8 [2 T, 2 T, 3].
    """
    top, bottom = (
        np.concatenate(pair, axis=1) for pair in (images[:2], images[2:])
    )
    return np.concatenate([top, bottom])


def quadrant_means(scores: np.ndarray) -> np.ndarray:
    """Returns the mean scores of the four quadrants, [4, C].

    Args:
        scores: [h, w, C], h and w at least 2; a row or column in the middle of
            an odd number belongs to none.
    """
    height, width = (side // 2 for side in scores.shape[:2])
    return np.stack(
        [
            scores[rows, columns].mean((0, 1))
            for rows in (slice(height), slice(-height, None))
            for columns in (slice(width), slice(-width, None))
        ]
    )


def peak_quadrants(scores: np.ndarray) -> np.ndarray:
    """Returns the quadrant of each class's highest cell, int [C].

    Args:
        scores: [h, w, C].
    """
    height, width, classes = scores.shape
    places = scores.reshape(-1, classes).argmax(0)
    rows, columns = np.divmod(places, width)
    is_low, is_right = 2 * rows + 1 >= height, 2 * columns + 1 >= width
    return 2 * is_low.astype(int) + is_right


@dataclasses.dataclass(frozen=True)
class Pointed:
    """How often a method was right, for each mosaic.

    Attributes:
        means: [M] share of the four classes with the highest mean in their
            tile.
        peaks: [M] share whose highest cell is in their tile.
        agreements: [M] share of the tiles whose highest class is what the
            classifier says of that photo alone.
        seconds: That one mosaic took, the median.
    """

    means: np.ndarray
    peaks: np.ndarray
    agreements: np.ndarray
    seconds: float

    def as_dict(self, num_samples: int) -> dict[str, Any]:
        """Returns rates with 95 % intervals, resampled over mosaics."""

        def rate(values: np.ndarray) -> dict[str, Any]:
            interval = bootstrap_interval(values, num_samples=num_samples)
            return {"rate": float(values.mean()), "interval": interval}

        return {
            "quadrant_mean": rate(self.means),
            "peak": rate(self.peaks),
            "agreement_with_photos": rate(self.agreements),
            "seconds_a_mosaic": self.seconds,
        }


def point(
    mapper: Mapper,
    examples: Split,
    mosaics: list[Mosaic],
    *,
    side: int,
    answers: np.ndarray,
) -> Pointed:
    """Asks a mapper of every mosaic.

    Args:
        mapper: From `mappers.MAPPERS`, for images of twice `side`.
        examples: The images.
        mosaics: Of their rows.
        side: Of a tile, pixels.
        answers: int [N], what the classifier says of each image alone.
    """
    found: dict[str, list[float]] = {"means": [], "peaks": [], "agreements": []}
    seconds = []
    for mosaic in mosaics:
        labels = np.array(mosaic.labels)
        pixels = tile(_read_tiles(examples, mosaic, side))
        started = time.perf_counter()
        scores = mapper.score_pixels(pixels)
        seconds.append(time.perf_counter() - started)
        means = quadrant_means(scores)
        own = np.arange(TILES)
        found["means"].append((means[:, labels].argmax(0) == own).mean())
        found["peaks"].append((peak_quadrants(scores)[labels] == own).mean())
        same = means.argmax(1) == answers[list(mosaic.rows)]
        found["agreements"].append(same.mean())
    # The median leaves out the first, which compiles.
    return Pointed(
        **{name: np.array(values) for name, values in found.items()},
        seconds=round(float(np.median(seconds)), 4),
    )


def _read_tiles(examples: Split, mosaic: Mosaic, side: int) -> np.ndarray:
    files = [examples.files[row] for row in mosaic.rows]
    return read_files(files, (side, side), examples.definition)


def run_pointing(
    run: Run, split: str, directory: Path, *, console: Console
) -> dict[str, Any]:
    """Runs the test with both methods and writes `pointing.json`.

    Args:
        run: A finished run.
        split: validation | test | train.
        directory: For the file; created.
        console: For people.

    Returns:
        What `pointing.json` holds.

    Raises:
        InputError: If the run has no such split, it has fewer than four
            classes, or the run's head cannot be dense.
    """
    examples = run.load_dataset(split).splits[split]
    mosaics = plan_mosaics(examples.targets, seed=run.config.seed)
    stride = build_dense(run.model).stride
    side = max(round(run.image_size / stride), 1) * stride
    settings = {
        "dense": HeatmapSettings("dense", size=2 * side),
        "windows": HeatmapSettings("windows", scales=MOSAIC_SCALES),
    }
    answers = run.compute_logits(examples).argmax(-1)
    methods = {}
    for name, setting in settings.items():
        console.line(f"{name}: {len(mosaics)} mosaics of {2 * side} pixels")
        pointed = point(
            MAPPERS[name](run, setting),
            examples,
            mosaics,
            side=side,
            answers=answers,
        )
        methods[name] = pointed.as_dict(run.config.evaluation.bootstrap_samples)
    result = {
        "run": str(run.directory),
        "config_hash": run.config_hash,
        "split": split,
        "chance": CHANCE,
        "num_mosaics": len(mosaics),
        "num_images": TILES * len(mosaics),
        "tile_size": side,
        "methods": methods,
    }
    workdir.make_directory(directory, what="folder of heat maps")
    workdir.write_json(directory / workdir.POINTING, result)
    return result


def format_pointing(result: dict[str, Any]) -> str:
    """Returns one line a method, and what it means."""
    lines = [
        f"{result['num_mosaics']} mosaics of four {result['split']} images, "
        f"chance {result['chance']:.2f}"
    ]
    for name, found in result["methods"].items():
        rate, (low, high) = found["quadrant_mean"].values()
        lines.append(
            f"{name:<8} the class is strongest in its own quarter: {rate:.3f} "
            f"[{low:.3f}, {high:.3f}]; its peak lies there: "
            f"{found['peak']['rate']:.3f}; a quarter says what the photo "
            f"alone says: {found['agreement_with_photos']['rate']:.3f}; "
            f"{1e3 * found['seconds_a_mosaic']:.0f} ms a mosaic"
        )
    low = result["methods"]["dense"]["quadrant_mean"]["interval"][0]
    lines.append(describe_pointing(low))
    return "\n".join(lines)


def describe_pointing(low: float) -> str:
    """Returns what the lower end of the interval of a rate allows to say."""
    if low > CLEAR:
        return "The heat maps of this run point at what they name."
    if low > CHANCE:
        return (
            "The heat maps of this run point little better than those of a "
            "random network: do not rely on the places."
        )
    return (
        "The heat maps of this run cannot be told from chance: do not read "
        "places out of them."
    )
