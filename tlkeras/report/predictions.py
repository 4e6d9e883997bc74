"""Predictions as CSV or JSON."""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO

from tlkeras.console import printable
from tlkeras.evaluation.prediction import Prediction
from tlkeras.formulas import guard_cell


def write_csv_predictions(
    predictions: Iterable[Prediction], class_names: Sequence[str], out: TextIO
) -> int:
    """Writes `path,label,score,error` rows; returns the number of errors."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "label", "score", "error"])
    num_errors = 0
    for item in predictions:
        score = "" if item.error else f"{item.score:.6f}"
        row = [item.path, item.label, score, item.error]
        if out.isatty():
            row = [printable(cell) for cell in row]
        writer.writerow(map(guard_cell, row))
        num_errors += bool(item.error)
    return num_errors


def write_json_predictions(
    predictions: Iterable[Prediction], class_names: Sequence[str], out: TextIO
) -> int:
    """Writes a JSON list with all probabilities; returns the error count."""
    rows = []
    for item in predictions:
        probabilities = dict(zip(class_names, item.probabilities, strict=False))
        rows.append(
            {
                "path": item.path,
                "label": item.label or None,
                "score": None if item.error else item.score,
                "probabilities": probabilities or None,
                "error": item.error or None,
            }
        )
    json.dump(rows, out, indent=2)  # ASCII, whatever `out` can encode
    out.write("\n")
    return sum(row["error"] is not None for row in rows)


WritePredictions = Callable[[Iterable[Prediction], Sequence[str], TextIO], int]
PREDICTION_WRITERS: dict[str, WritePredictions] = {
    "csv": write_csv_predictions,
    "json": write_json_predictions,
}
