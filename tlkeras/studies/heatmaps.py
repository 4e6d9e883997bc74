"""Where in an image a run sees its classes: heat maps, as JSON and pictures."""

import dataclasses
import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.decoding import decode_whole
from tlkeras.data.definition import ImageDefinition
from tlkeras.evaluation.heat_map import HeatMap
from tlkeras.evaluation.prediction import read_file
from tlkeras.evaluation.run import Run, load_run
from tlkeras.optim.losses import compute_probabilities
from tlkeras.studies.heatmap_overlay import draw_overlay
from tlkeras.studies.mappers import (
    BATCH,
    MAPPERS,
    DecodedImage,
    HeatmapSettings,
    MappedImage,
    Mapper,
)
from tlkeras.tables import lookup

PARTS = "parts"  # folder of finished batches, until all are


@dataclasses.dataclass(frozen=True)
class ImageHeatmap:
    """The heat map of one image, or why there is none.

    Attributes:
        path: Of the image.
        label: The classifier's answer on the whole image, or "" on error.
        score: Its probability; 0 on error.
        classes: Names of the classes that are reported.
        heat_map: Scores [h, w, C] of all classes; None on error.
        deviation: Of the mean of the class maps from the logits, relative to
            the largest; None where the mean is something else.
        pooled: Name -> class -> image score made of the windows' scores.
        pixels: uint8 [H, W, 3], the upright image; None on error.
        error: Why the image could not be read, or "".
    """

    path: str
    label: str = ""
    score: float = 0.0
    classes: tuple[str, ...] = ()
    heat_map: HeatMap | None = None
    deviation: float | None = None
    pooled: dict[str, dict[str, float]] = dataclasses.field(
        default_factory=dict
    )
    pixels: np.ndarray | None = None
    error: str = ""


def compute_heatmaps(
    run: Run | str | Path,
    paths: Iterable[str | Path],
    settings: HeatmapSettings | None = None,
) -> Iterator[ImageHeatmap]:
    """Yields the heat map of each image file, in order.

    A file that is no image gets its error; the others are unharmed.

    Args:
        run: A finished run, or its directory.
        paths: Of image files.
        settings: Method, size, scales, classes.

    Raises:
        InputError: For a run whose head cannot be dense, a size that the
            network refuses, or an unknown method or class.
    """
    if not isinstance(run, Run):
        run = load_run(run)
    settings = settings or HeatmapSettings()
    check_classes(run, settings.classes)
    make = lookup(MAPPERS, settings.method, what="method")
    mapper = make(run, settings)
    waiting = iter(paths)
    while chunk := [str(path) for path in itertools.islice(waiting, BATCH)]:
        yield from _map_files(run, mapper, settings.classes, chunk)


def check_classes(run: Run, names: Sequence[str]) -> None:
    """Refuses names that are no classes of a run.

    Raises:
        InputError: Naming the first one.
    """
    known = dict.fromkeys(run.class_names)
    for name in names:
        lookup(known, name, what="class")


def _map_files(
    run: Run, mapper: Mapper, classes: Sequence[str], paths: list[str]
) -> Iterator[ImageHeatmap]:
    read = {path: read_whole(path, run.image_definition) for path in paths}
    images = [image for image, _ in read.values() if image]
    mapped = iter(mapper.map_images(images) if images else [])
    done = {
        path: _describe(run, path, image, next(mapped), classes)
        if image
        else ImageHeatmap(path, error=problem)
        for path, (image, problem) in read.items()
    }
    for path in paths:
        yield done[path]


def read_whole(
    path: str, definition: ImageDefinition
) -> tuple[DecodedImage | None, str]:
    """Returns an image at its own size, or why it cannot be read."""
    try:
        content, problem = read_file(path, definition)
        if problem:
            return None, problem
        pixels = decode_whole(content, definition)
    except Exception as error:  # the decoder's many kinds
        return None, f"cannot be decoded ({type(error).__name__})"
    return DecodedImage(content, pixels), ""


def _describe(
    run: Run,
    path: str,
    image: DecodedImage,
    mapped: MappedImage,
    classes: Sequence[str],
) -> ImageHeatmap:
    scores = compute_probabilities(mapped.logits[None], run.loss)[0]
    best = int(scores.argmax())
    shown = tuple(classes) or (run.class_names[best],)
    indices = {name: run.class_names.index(name) for name in shown}
    return ImageHeatmap(
        path=path,
        label=run.class_names[best],
        score=float(scores[best]),
        classes=shown,
        heat_map=mapped.heat_map,
        deviation=mapped.deviation,
        pooled={
            kind: {name: float(values[i]) for name, i in indices.items()}
            for kind, values in mapped.pooled.items()
        },
        pixels=image.pixels,
    )


def write_heatmaps(
    run: Run,
    paths: Sequence[str | Path],
    directory: Path,
    settings: HeatmapSettings,
    *,
    console: Console,
) -> dict[str, Any]:
    """Writes `heatmaps.json` and an overlay for each image.

    What a killed call has finished is taken up by the next with the same
    images and settings.

    Args:
        run: A finished run.
        paths: [N] image files.
        directory: For the files; created.
        settings: Method, size, scales, classes.
        console: For people.

    Returns:
        What `heatmaps.json` holds.

    Raises:
        InputError: As `compute_heatmaps`.
    """
    check_classes(run, settings.classes)
    make = lookup(MAPPERS, settings.method, what="method")
    mapper = make(run, settings)
    workdir.make_directory(directory, what="folder of heat maps")
    workdir.make_directory(directory / PARTS, what="folder of heat maps")
    named = _name_overlays([str(path) for path in paths])
    rows: list[dict[str, Any]] = []
    console.start("heat maps", len(named))
    for start in range(0, len(named), BATCH):
        chunk = dict(itertools.islice(named.items(), start, start + BATCH))
        part = directory / PARTS / f"{_key(run, settings, chunk)}.json"
        if not part.exists():
            found = _map_files(run, mapper, settings.classes, list(chunk))
            workdir.write_json(
                part,
                [
                    _write_overlay(run, item, directory, chunk[item.path])
                    for item in found
                ],
            )
        rows += workdir.read_json(part)
        console.advance_to(len(rows))
    console.stop()
    result = {
        "run": str(run.directory),
        "config_hash": run.config_hash,
        "method": settings.method,
        **mapper.description,
        "class_names": list(run.class_names),
        "images": rows,
    }
    workdir.write_json(directory / workdir.HEATMAPS, result)
    shutil.rmtree(directory / PARTS, ignore_errors=True)
    return result


def _name_overlays(paths: list[str]) -> dict[str, str]:
    """Returns path -> file name of its overlay; equal names get a number."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for path in paths:
        stem = workdir.as_text(Path(path).stem)[:100].replace("\\", "_")
        name, number = f"{stem}.png", 1
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}.png"
        if path not in names:
            taken.add(name.lower())
            names[path] = name
    return names


def _key(run: Run, settings: HeatmapSettings, chunk: dict[str, str]) -> str:
    """Returns what names a finished batch: all that its content follows from.

    Files that changed since, and another model, have other times and sizes.
    """

    def stamp(path: Path) -> list[int]:
        try:
            status = path.stat()
        except (OSError, ValueError):
            return []
        return [status.st_size, status.st_mtime_ns]

    model = run.directory / workdir.MODEL
    facts = [
        str(model.resolve()),
        stamp(model),
        dataclasses.asdict(settings),
        [[*item, *stamp(Path(item[0]))] for item in chunk.items()],
    ]
    text = json.dumps(facts, default=list)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def _write_overlay(
    run: Run, item: ImageHeatmap, directory: Path, name: str
) -> dict[str, Any]:
    """Draws an image's overlay; returns its row of `heatmaps.json`."""
    if item.heat_map is None or item.pixels is None:
        return {"path": item.path, "error": item.error}
    labels = {c: run.class_names.index(c) for c in item.classes}
    picture = draw_overlay(
        item.pixels, item.heat_map, labels, answer=(item.label, item.score)
    )
    with workdir.replacing(directory / name, durable=False) as temporary:
        temporary.write_bytes(picture)
    return {
        "path": item.path,
        "error": "",
        "label": item.label,
        "score": item.score,
        "width": item.heat_map.image_size[0],
        "height": item.heat_map.image_size[1],
        "grid": list(item.heat_map.scores.shape[:2]),
        "area": [round(side, 2) for side in item.heat_map.area],
        "deviation": item.deviation,
        "overlay": name,
        "classes": {
            c: describe_class(item.heat_map, i) for c, i in labels.items()
        },
        **({"image_scores": item.pooled} if item.pooled else {}),
    }


def describe_class(heat_map: HeatMap, label: int) -> dict[str, Any]:
    """Returns the peak, the box at half of it, and the mean of a class."""
    x, y, score = heat_map.find_peak(label)
    return {
        "peak": {"x": x, "y": y, "score": score},
        "box": list(heat_map.find_box(label)),
        "mean": heat_map.mean_score(label),
    }


def format_heatmaps(result: dict[str, Any]) -> str:
    """Returns one line an image: answer, and where its classes peak."""
    lines = []
    for row in result["images"]:
        if row["error"]:
            lines.append(f"{row['path']}: {row['error']}")
            continue
        for name, found in row["classes"].items():
            peak, box = found["peak"], found["box"]
            lines.append(
                f"{row['path']}: {row['label']} {row['score']:.3f}; {name} "
                f"peaks at ({peak['x']}, {peak['y']}) with "
                f"{peak['score']:.3f}, half of it in {box}; {row['overlay']}"
            )
    deviations = [
        row["deviation"]
        for row in result["images"]
        if row.get("deviation") is not None
    ]
    if deviations:
        lines.append(
            "the mean of the class maps is the logits to "
            f"{max(deviations):.1e} of the largest"
        )
    return "\n".join(lines)
