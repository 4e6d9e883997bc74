"""The wrong answers that the model was most sure of, with their images."""

import dataclasses

from tlkeras.data.definition import configured_definition
from tlkeras.report.run_files import Content, RunFiles
from tlkeras.report.thumbnails import make_thumbnail

NUM_MISTAKES = 18
IMAGES_A_PAIR = 4
NUM_PAIRS = 6


@dataclasses.dataclass(frozen=True)
class Mistake:
    """An answer that is wrong.

    Attributes:
        path: Of the image.
        label: Its labels, joined by `|`.
        predicted: The answer.
        probability: Of the answer, 0..1.
        image: Data URI; "" if it was not looked for, or is gone.
    """

    path: str
    label: str
    predicted: str
    probability: float
    image: str = ""


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
    images: tuple[Mistake, ...]


def build_mistakes(files: RunFiles) -> Content | None:
    """Returns the most confident mistakes, and images of confused pairs.

    None for older runs, which wrote no predictions.
    """
    if not files.answers:
        return None
    wrong = find_mistakes(files.answers)
    is_upright = configured_definition(files.config).is_upright
    pairs = [] if files.multi_label else _pairs(wrong, is_upright)
    shown = [_with_image(row, is_upright) for row in wrong[:NUM_MISTAKES]]
    pictures = shown + [row for pair in pairs for row in pair.images]
    return {
        "split": files.shown_split,
        "multi_label": files.multi_label,
        "num_wrong": len(wrong),
        "num_answers": len(files.answers),
        "mistakes": shown,
        "pairs": pairs,
        "num_missing": sum(not picture.image for picture in pictures),
        "num_pictures": len(pictures),
    }


def find_mistakes(answers: list[dict[str, str]]) -> list[Mistake]:
    """Returns the answers that are wrong, the surest first, without images.

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
            tuple(_with_image(m, is_upright) for m in members[:IMAGES_A_PAIR]),
        )
        for (truth, guess), members in frequent[:NUM_PAIRS]
        if len(members) > 1
    ]


def _with_image(mistake: Mistake, is_upright: bool) -> Mistake:
    image = make_thumbnail(mistake.path, is_upright)
    return dataclasses.replace(mistake, image=image)
