"""The wrong answers of a split, the surest first, and maps of those."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkeras import workdir
from tlkeras.data.contents import read_content
from tlkeras.data.dataset import Split
from tlkeras.data.image_header import read_size
from tlkeras.data.orientation import TURNS, read_orientation
from tlkeras.errors import InputError
from tlkeras.evaluation.heat_map import HeatMap
from tlkeras.optim.losses import Loss, compute_probabilities

if TYPE_CHECKING:
    import keras

NUM_SUREST = 18  # of which maps are kept and the report shows images


@dataclasses.dataclass(frozen=True)
class Mistake:
    """An answer that is wrong.

    Attributes:
        path: Of the image.
        label: Its labels, joined by `|`.
        predicted: The answer.
        probability: Of the answer, 0..1.
    """

    path: str
    label: str
    predicted: str
    probability: float


def find_mistakes(answers: list[dict[str, str]]) -> list[Mistake]:
    """Returns the answers that are wrong, the surest first.

    Where images may carry several labels, an answer is wrong if the label with
    the highest score is none of them.

    Args:
        answers: Rows of `predictions_SPLIT.csv`.
    """
    wrong = [
        Mistake(
            row["path"],
            row["label"],
            row["predicted"],
            float(row["probability"]),
        )
        for row in answers
        # A single label may itself hold the mark that joins several.
        if row["predicted"] != row["label"]
        and row["predicted"] not in row["label"].split("|")
    ]
    return sorted(wrong, key=lambda mistake: -mistake.probability)


def write_mistake_maps(
    directory: Path,
    split: str,
    examples: Split,
    *,
    model: "keras.Model",
    loss: Loss,
    class_names: tuple[str, ...],
) -> None:
    """Keeps where the network saw the answers of its surest mistakes.

    `mistake_maps_SPLIT.npz`; without maps where no answer is wrong, or the
    head has less than two cells.

    Args:
        directory: Of the run, with the split's predictions.
        split: Its name.
        examples: Its images.
        model: float32 [N, S, S, 3] in 0..255 -> logits [N, C].
        loss: Decides how logits become scores.
        class_names: [C].
    """
    # Whoever only reads what is wrong needs no Keras.
    import keras

    from tlkeras.models.dense import build_dense

    path = directory / workdir.mistake_maps_name(split)
    path.unlink(missing_ok=True)  # of an earlier evaluation
    wrong = _surest(directory, split)
    maps: dict[str, Any] = {}
    try:
        dense = build_dense(model)
    except InputError:  # a head without cells has no maps
        dense = None
    if wrong and dense and max(dense.grid) > 1:
        places = {name: row for row, name in enumerate(examples.paths)}
        chosen = examples.take(np.array([places[item.path] for item in wrong]))
        images, areas, sizes = _read_images(chosen, dense.image_size)
        # Not compiled: a single batch is not worth the tracing.
        cells = dense.model(images, training=False)
        scores = compute_probabilities(keras.ops.convert_to_numpy(cells), loss)
        labels = [class_names.index(item.predicted) for item in wrong]
        maps = {
            "paths": np.array(chosen.paths),
            "scores": scores[np.arange(len(wrong)), ..., labels].astype(
                np.float16
            ),
            "areas": areas,
            "sizes": sizes,
        }
    with workdir.replacing(path) as temporary:
        np.savez(temporary, answers=_as_rows(wrong), **maps)


def has_maps(directory: Path, split: str) -> bool:
    """Returns whether the maps are of the answers that are wrong now.

    Args:
        directory: Of the run, with the split's predictions.
        split: Its name.
    """
    path = directory / workdir.mistake_maps_name(split)
    try:
        with workdir.reading(path), np.load(path) as kept:
            rows = kept["answers"].tolist() if "answers" in kept else None
    except InputError:
        return False
    wanted = _as_rows(_surest(directory, split)).tolist()
    return rows is not None and sorted(rows) == sorted(wanted)


def _surest(directory: Path, split: str) -> list[Mistake]:
    answers = workdir.read_table(directory / workdir.predictions_name(split))
    return find_mistakes(answers)[:NUM_SUREST]


def _as_rows(mistakes: list[Mistake]) -> np.ndarray:
    """Returns paths and answers, text [n, 2]."""
    rows = [(mistake.path, mistake.predicted) for mistake in mistakes]
    return np.array(rows, np.str_).reshape(-1, 2)


def _read_images(
    examples: Split, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns images, their areas (`heat_map.Area`), and (width, height)."""
    from tlkeras.data.decoding import decode_contents
    from tlkeras.data.placement import seen_area

    definition = examples.definition
    contents = [read_content(file) for file in examples.files]
    images = decode_contents(contents, (size, size), definition)
    areas, sizes = [], []
    for content in contents:
        width, height = read_size(content) or (size, size)
        turn = TURNS[read_orientation(content)]
        if definition.is_upright and turn.transposed:
            width, height = height, width
        geometry = definition.geometry
        areas.append(seen_area(height, width, size, size, geometry))
        sizes.append((width, height))
    return images.astype(np.float32), np.array(areas), np.array(sizes)


def read_mistake_maps(directory: Path, split: str) -> Mapping[str, HeatMap]:
    """Returns path -> scores [h, w, 1] of the answer; empty without the file.

    Raises:
        InputError: If the file is damaged.
    """
    path = directory / workdir.mistake_maps_name(split)
    if not path.exists():
        return {}
    with workdir.reading(path), np.load(path) as kept:
        if "paths" not in kept:
            return {}
        return {
            str(name): HeatMap(
                scores[..., None].astype(np.float32),
                tuple(area.tolist()),
                tuple(size.tolist()),
            )
            for name, scores, area, size in zip(
                *(kept[k] for k in ("paths", "scores", "areas", "sizes")),
                strict=True,
            )
        }
