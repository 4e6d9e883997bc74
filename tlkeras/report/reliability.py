"""Calibration: whether an answer given with 90 % is right 9 times in 10."""

from typing import Any

import numpy as np

from tlkeras.charts import (
    THEME,
    add_legend,
    chart_settings,
    style_axes,
    to_svg,
)
from tlkeras.evaluation.calibration_error import calibration_bins
from tlkeras.evaluation.calibration_gain import Interval
from tlkeras.report.headline import wilson_interval
from tlkeras.report.run_files import Content, RunFiles


def build_reliability(files: RunFiles) -> Content | None:
    """Returns the reliability diagram; None for runs without predictions."""
    if not files.answers:
        return None
    confidence = np.array([float(row["probability"]) for row in files.answers])
    if not np.isfinite(confidence).all():
        return None
    correct = np.array(
        [
            row["predicted"] == row["label"]
            or row["predicted"] in row["label"].split("|")
            for row in files.answers
        ],
        float,
    )
    num_bins = files.config.evaluation.calibration_bins
    bins = calibration_bins(confidence, correct, num_bins=num_bins)
    for row in bins:
        row["count"] = round(row["share"] * len(correct))
        hits = row["accuracy"] * row["count"]
        row["low"], row["high"] = wilson_interval(hits, int(row["count"]))
    return {
        "split": files.shown_split,
        "bins": bins,
        "svg": to_svg(plot_reliability(bins, num_bins), "chart-reliability"),
        "error": files.shown.get("expected_calibration_error"),
        "mean_confidence": float(confidence.mean()),
        "accuracy": float(correct.mean()),
        "multi_label": files.multi_label,
        "calibration": files.result.calibration,
        "gains": _gain_rows(files),
        "changed": ", ".join(
            f"{gain.num_changed} on {split}"
            for split, gain in files.gains.items()
        ),
    }


def _gain_rows(files: RunFiles) -> list[Content]:
    """Returns what calibration changed, a row for each figure and split."""
    return [
        {
            "split": split,
            "name": name,
            "before": show(figure.before, figure.before_interval),
            "after": show(figure.after, figure.after_interval),
            "change": show(
                figure.difference, figure.difference_interval, sign="+"
            ),
        }
        for split, gain in files.gains.items()
        for name, figure, show in (
            ("log loss", gain.log_loss, _show),
            (
                "calibration error, points",
                gain.expected_calibration_error,
                _show_points,
            ),
        )
    ]


def _show(value: float, interval: Interval, sign: str = "") -> str:
    low, high = interval
    form = f"{sign}.3f"
    return f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _show_points(value: float, interval: Interval, sign: str = "") -> str:
    low, high = interval
    form = f"{sign}.1f"
    return f"{100 * value:{form}} [{100 * low:{form}}, {100 * high:{form}}]"


def plot_reliability(bins: list[dict[str, float]], num_bins: int) -> Any:
    """Draws accuracy over confidence, and below it how many answers.

    Args:
        bins: From `calibration_bins`, with `count`, `low` and `high`.
        num_bins: Over 0..1.

    Reference:
        Guo et al., On Calibration of Modern Neural Networks, 2017, figure 1.
    """
    from matplotlib.figure import Figure

    with chart_settings():
        figure = Figure(figsize=(5.0, 4.8), layout="constrained")
        upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1.2))
        for axes in (upper, lower):
            style_axes(axes)
        x = [row["confidence"] for row in bins]
        y = [row["accuracy"] for row in bins]
        upper.plot(
            [0, 1],
            [0, 1],
            color=THEME["soft"],
            ls="--",
            lw=1,
            label="perfect calibration",
        )
        errors = [
            [row["accuracy"] - row["low"] for row in bins],
            [row["high"] - row["accuracy"] for row in bins],
        ]
        upper.errorbar(
            x,
            y,
            yerr=np.maximum(errors, 0),
            color=THEME["train"],
            marker="o",
            ms=3.5,
            lw=1,
            elinewidth=1,
            label="answers, with 95 % interval",
        )
        # Where the most answers are, the largest dot.
        most = max(row["count"] for row in bins)
        sizes = [12 + 110 * row["count"] / most for row in bins]
        upper.scatter(x, y, s=sizes, color=THEME["train"], lw=0, zorder=3)
        upper.set_ylabel("share that is right")
        upper.set_ylim(0, 1.03)
        add_legend(figure, upper)
        edges = [min(int(c * num_bins), num_bins - 1) / num_bins for c in x]
        counts = [row["count"] for row in bins]
        lower.bar(
            edges,
            counts,
            width=0.92 / num_bins,
            align="edge",
            color=THEME["train"],
            alpha=0.75,
        )
        lower.set_ylabel("answers")
        lower.set_xlabel("confidence of the answer")
        lower.set_xlim(0, 1)
    return figure
