"""The search for hyper-parameters, shortly: it has a page of its own."""

import math
from typing import Any

from tlkeras.charts import (
    THEME,
    chart_settings,
    new_chart,
    to_svg,
    use_log_scale,
)
from tlkeras.report.run_files import RunFiles

NUM_SHOWN = 10
LOG_RATIO = 10.0  # a field tried over more than this was searched in log space


def build_trials(files: RunFiles) -> dict[str, Any] | None:
    """Returns the ten best trials; None where nothing was tuned."""
    tuning = files.tuning
    if not tuning or not tuning["trials"]:
        return None
    trials = tuning["trials"]
    scored = [i for i, t in enumerate(trials) if _score(t) is not None]
    order = sorted(scored, key=lambda i: -trials[i]["val_accuracy"])
    lines = [
        format_trial(trials[i], i, len(trials), is_best=i == tuning["best"])
        for i in order[:NUM_SHOWN]
    ]
    fields = log_fields(trials)
    chart = None
    if len(fields) >= 2 and len(scored) >= 3:
        figure = plot_trials([trials[i] for i in scored], fields[:2])
        chart = {"svg": to_svg(figure, "chart-tuning"), "fields": fields[:2]}
    return {
        "num_trials": tuning["num_trials"],
        "metric": tuning["metric"],
        "lines": lines,
        "chart": chart,
        "noise_floor": tuning.get("noise_floor"),
        "num_unfinished": len(trials) - len(scored),
    }


def _score(trial: dict[str, Any]) -> float | None:
    score = trial["val_accuracy"]
    return None if score is None or not math.isfinite(score) else score


def format_trial(
    trial: dict[str, Any], index: int, count: int, *, is_best: bool
) -> str:
    """Returns a trial as the lecture prints it.

    Example:
    >>> format_trial({"val_accuracy": 0.412, "values": {"lr": 1.405206e-4}},
    ...              0, 100, is_best=True)
    'val_acc: 0.412000, lr: 1.405206e-04, (1 / 100)  <--'
    """
    values = ", ".join(
        f"{name.rpartition('.')[2]}: "
        + (f"{value:.6e}" if isinstance(value, float) else str(value))
        for name, value in trial["values"].items()
    )
    line = f"val_acc: {trial['val_accuracy']:.6f}, {values}, "
    return f"{line}({index + 1} / {count}){'  <--' if is_best else ''}"


def log_fields(trials: list[dict[str, Any]]) -> list[str]:
    """Returns the fields whose values span more than a decade."""
    found = []
    for name in trials[0]["values"]:
        values = [trial["values"].get(name) for trial in trials]
        if all(isinstance(v, float) and v > 0 for v in values) and max(
            values
        ) > LOG_RATIO * min(values):
            found.append(name)
    return found


def plot_trials(trials: list[dict[str, Any]], fields: list[str]) -> Any:
    """Draws trials over two fields, darker where they are better."""
    scores = [trial["val_accuracy"] for trial in trials]
    best = max(range(len(scores)), key=scores.__getitem__)
    x, y = ([trial["values"][name] for trial in trials] for name in fields)
    with chart_settings():
        figure, axes = new_chart(6.4, 4.0)
        drawn = axes.scatter(x, y, c=scores, cmap="viridis", s=36, lw=0)
        axes.scatter(
            [x[best]],
            [y[best]],
            s=120,
            facecolors="none",
            edgecolors=THEME["bad"],
            linewidths=1.8,
        )
        bar = figure.colorbar(drawn, ax=axes)
        bar.ax.tick_params(colors=THEME["soft"])
        bar.outline.set_visible(False)
        use_log_scale(axes, "x")
        use_log_scale(axes, "y")
        axes.set_xlabel(fields[0].rpartition(".")[2])
        axes.set_ylabel(fields[1].rpartition(".")[2])
    return figure
