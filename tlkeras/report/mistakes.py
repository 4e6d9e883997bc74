"""The wrong answers that the model was most sure of, with their images."""

from typing import Any

from tlkeras.data.definition import configured_definition
from tlkeras.report.run_files import RunFiles
from tlkeras.report.thumbnails import make_thumbnail

NUM_MISTAKES = 18
IMAGES_A_PAIR = 4


def build_mistakes(files: RunFiles) -> dict[str, Any] | None:
    """Returns the most confident mistakes, and images of confused pairs.

    None for older runs, which wrote no predictions.
    """
    if not files.answers:
        return None
    wrong = find_mistakes(files.answers)
    is_upright = configured_definition(files.config).is_upright
    pairs = [] if files.multi_label else _pairs(wrong, is_upright)
    shown = [_with_image(row, is_upright) for row in wrong[:NUM_MISTAKES]]
    pictures = shown + [row for pair in pairs for row in pair["images"]]
    return {
        "split": files.shown_split,
        "multi_label": files.multi_label,
        "num_wrong": len(wrong),
        "num_answers": len(files.answers),
        "mistakes": shown,
        "pairs": pairs,
        "num_missing": sum(not picture["image"] for picture in pictures),
        "num_pictures": len(pictures),
    }


def find_mistakes(answers: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Returns the answers that are wrong, the surest first.

    Where images may carry several labels, an answer is wrong if the label with
    the highest score is none of them.

    Args:
        answers: Rows of `predictions_SPLIT.csv`.
    """
    wrong = [
        {**row, "probability": float(row["probability"])}
        for row in answers
        if row["predicted"] != row["label"]
        and row["predicted"] not in row["label"].split("|")
    ]
    return sorted(wrong, key=lambda row: -row["probability"])


def _pairs(
    wrong: list[dict[str, Any]], is_upright: bool
) -> list[dict[str, Any]]:
    """Returns the most frequent confusions, each with its surest images."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in wrong:
        groups.setdefault((row["label"], row["predicted"]), []).append(row)
    frequent = sorted(groups.items(), key=lambda item: -len(item[1]))[:6]
    return [
        {
            "truth": truth,
            "taken_for": guess,
            "count": len(rows),
            "images": [
                _with_image(row, is_upright) for row in rows[:IMAGES_A_PAIR]
            ],
        }
        for (truth, guess), rows in frequent
        if len(rows) > 1
    ]


def _with_image(row: dict[str, Any], is_upright: bool) -> dict[str, Any]:
    return {**row, "image": make_thumbnail(row["path"], is_upright)}
