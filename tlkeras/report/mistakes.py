"""The wrong answers that the model was most sure of, with their images."""

import dataclasses

from tlkeras.data.definition import configured_definition
from tlkeras.evaluation.heat_map import HeatMap
from tlkeras.evaluation.mistakes import NUM_SUREST, Mistake, find_mistakes
from tlkeras.report.run_files import Content, RunFiles
from tlkeras.report.thumbnails import make_heat_thumbnail, make_thumbnail

IMAGES_A_PAIR = 4
NUM_PAIRS = 6


@dataclasses.dataclass(frozen=True)
class ShownMistake(Mistake):
    """A mistake with its pictures, as data URIs.

    Attributes:
        image: "" if it was not looked for, or is gone.
        heat: The image in grey under the scores of the answer; "" if none are
            kept.
    """

    image: str = ""
    heat: str = ""


@dataclasses.dataclass(frozen=True)
class Confusion:
    """A class that was taken for another.

    Attributes:
        truth: The class.
        taken_for: The answer.
        count: Images that it happened to.
        images: The surest of them.
    """

    truth: str
    taken_for: str
    count: int
    images: tuple[ShownMistake, ...]


def build_mistakes(files: RunFiles) -> Content | None:
    """Returns the most confident mistakes, and images of confused pairs.

    None for older runs, which wrote no predictions.
    """
    if not files.answers:
        return None
    wrong = find_mistakes(files.answers)
    is_upright = configured_definition(files.config).is_upright
    pairs = [] if files.multi_label else _pairs(wrong, is_upright)
    shown = [
        with_image(row, is_upright, files.mistake_maps.get(row.path))
        for row in wrong[:NUM_SUREST]
    ]
    pictures = shown + [row for pair in pairs for row in pair.images]
    return {
        "split": files.shown_split,
        "multi_label": files.multi_label,
        "num_wrong": len(wrong),
        "num_answers": len(files.answers),
        "mistakes": shown,
        "has_maps": any(row.heat for row in shown),
        "pairs": pairs,
        "num_missing": sum(not picture.image for picture in pictures),
        "num_pictures": len(pictures),
    }


def _pairs(wrong: list[Mistake], is_upright: bool) -> list[Confusion]:
    """Returns the most frequent confusions, each with its surest images."""
    groups: dict[tuple[str, str], list[Mistake]] = {}
    for mistake in wrong:
        pair = (mistake.label, mistake.predicted)
        groups.setdefault(pair, []).append(mistake)
    frequent = sorted(groups.items(), key=lambda item: -len(item[1]))
    return [
        Confusion(
            truth,
            guess,
            len(members),
            tuple(with_image(m, is_upright) for m in members[:IMAGES_A_PAIR]),
        )
        for (truth, guess), members in frequent[:NUM_PAIRS]
        if len(members) > 1
    ]


def with_image(
    mistake: Mistake, is_upright: bool, heat_map: HeatMap | None = None
) -> ShownMistake:
    """Returns a mistake with its thumbnail, and one under its heat map."""
    path = mistake.path
    return ShownMistake(
        **dataclasses.asdict(mistake),
        image=make_thumbnail(path, is_upright),
        heat=make_heat_thumbnail(path, is_upright, heat_map)
        if heat_map
        else "",
    )
