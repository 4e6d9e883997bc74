"""One self-contained page of a run, from the files in its directory."""

from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.config.run_directory import read_config
from tlkeras.errors import InputError
from tlkeras.evaluation.evaluate import read_test_looks
from tlkeras.evaluation.metrics import primary_metric
from tlkeras.report.plots import plot_curves, plot_rates

MAX_LISTED_FILES = 500
MAX_MATRIX_CLASSES = 40


def write_report(directory: Path | str) -> Path:
    """Writes `report.html` of a finished run.

    The page needs no network; everything from the data is escaped.

    Args:
        directory: Of a finished run.

    Returns:
        The path of the page.

    Raises:
        InputError: If the directory holds no finished run.
    """
    import jinja2

    directory = Path(directory)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tlkeras.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html").render(collect(directory))
    workdir.write_text(directory / workdir.REPORT, page)
    return directory / workdir.REPORT


def collect(directory: Path) -> dict[str, Any]:
    """Returns what the template shows, read from the run's files."""
    config = read_config(directory)
    if not (directory / workdir.RESULT).exists():
        raise InputError(
            f"The run in '{directory}' is not finished; expected a finished "
            "one: run the same tlkeras train command again."
        )
    result = workdir.read_json(directory / workdir.RESULT)
    metric = primary_metric(result["multi_label"])
    history = workdir.read_table(directory / workdir.HISTORY)
    evaluations = {
        split: workdir.read_json(path)
        for split in ("validation", "test")
        if (path := directory / workdir.evaluation_name(split)).exists()
    }
    ledger = workdir.read_json(directory / workdir.LEDGER)
    checks = directory / workdir.CHECKS
    shown = evaluations.get("test") or evaluations["validation"]
    return {
        "title": Path(config.data.source).name or config.data.source,
        "directory": str(directory),
        "config": config.to_dict(),
        "result": result,
        "metric": metric,
        "metric_label": metric.replace("_", " "),
        "evaluations": evaluations,
        "matrix": _matrix(shown, result["class_names"]),
        "matrix_split": "test" if "test" in evaluations else "validation",
        "per_class": shown["per_class"],
        "curves": [
            plot_curves(history, ["train/loss", "val/loss"], title="loss"),
            plot_curves(
                history,
                [f"train/{metric}", f"val/{metric}"],
                title=metric.replace("_", " "),
            ),
            plot_rates(history),
        ],
        "ledger": ledger,
        "listed": ledger["left_out"][:MAX_LISTED_FILES],
        "checks": workdir.read_json(checks) if checks.exists() else [],
        "test_looks": len(read_test_looks(directory)),
    }


def _matrix(
    metrics: dict[str, Any], class_names: list[str]
) -> list[dict[str, Any]]:
    """Returns the confusion matrix with each cell's share of its row."""
    matrix = metrics.get("confusion_matrix")
    if not matrix or len(class_names) > MAX_MATRIX_CLASSES:
        return []
    return [
        {
            "name": name,
            "cells": [
                {"count": count, "share": count / max(sum(counts), 1)}
                for count in counts
            ],
        }
        for name, counts in zip(class_names, matrix, strict=True)
    ]
