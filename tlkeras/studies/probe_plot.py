"""Accuracy over depth as a picture."""

from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.studies.probe_columns import COPIES
from tlkeras.tables import lookup

COLORS = {"softmax": "#4c8bf5", "svm": "#f5803e", "logistic": "#4c8bf5"}
VARIANT_LINES = {"": "-", "dropout": "--", "copies": ":"}


def plot_probe(result: dict[str, Any], path: Path) -> None:
    """Draws each column of a probe's table over depth, with intervals.

    Args:
        result: From `run_linear_probe`.
        path: Of the PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = result["depths"]
    figure = Figure(figsize=(max(7.0, 0.36 * len(rows) + 2), 4.6))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places = range(len(rows))
    columns = [name for name, cell in rows[0].items() if isinstance(cell, dict)]
    for name in columns:
        kind, _, variant = name.partition("+")
        color = lookup(COLORS, kind, what="column")
        values = [row[name]["accuracy"] for row in rows]
        style = lookup(VARIANT_LINES, variant, what="variant of a column")
        copies = f", {result['augmented_copies']} copies"
        label = name.replace(COPIES, copies)
        axes.plot(
            places, values, style, marker="o", ms=3, color=color, label=label
        )
        if not variant:
            low, high = zip(
                *(row[name]["interval"] for row in rows), strict=True
            )
            axes.fill_between(places, low, high, color=color, alpha=0.15)
    axes.axhline(
        result["chance"], color="#7a7f87", lw=1, ls=":", label="largest class"
    )
    names = [row["layer"] for row in rows]
    axes.axvline(
        names.index(result["recommended_layer"]),
        color="#2a9d4b",
        lw=1,
        label="recommended",
    )
    axes.set_xticks(places, names, rotation=60, ha="right", fontsize=8)
    axes.set_ylabel("accuracy, cross-validated")
    axes.set_title(
        f"{result['backbone']}: linear classifiers on {result['num_images']} "
        "images"
    )
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="best")
    figure.tight_layout()
    with workdir.replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)
