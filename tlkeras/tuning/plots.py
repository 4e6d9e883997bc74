"""Pictures of a search as inline SVG that suits light and dark pages."""

import io
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tlkeras.evaluation.metrics import bootstrap_interval
from tlkeras.tuning.outcome import COMPLETED, TrialOutcome
from tlkeras.tuning.space import SearchField, Space

INK = "#7a7f87"  # readable on white and on near-black
BEST, QUIT, POINT = "#2a9d4b", "#d1495b", "#4c8bf5"
COLORS = "viridis"
CURVES = 5  # learning curves of the best, and as many of the quit trials
BINS = 3  # of a range, for its effect
SAMPLES = 1000  # of the bootstrap


def plot_scatter(
    outcomes: Sequence[TrialOutcome],
    space: Space,
    best: int,
    names: dict[str, str],
) -> str:
    """Plots two fields against each other, coloured by accuracy.

    The first two numbers of the space, each in its own scale: the lecture's
    log rate x log regularisation. Crosses are trials without an accuracy.

    Returns:
        An `<svg>` element, or "" where no completed trial has two numbers.
    """
    numbers = [field for field in space if field.kind != "choice"][:2]
    if len(numbers) < 2:
        return ""
    x, y = numbers
    shown = [o for o in outcomes if x.name in o.values and y.name in o.values]
    done = [o for o in shown if o.status == COMPLETED]
    if not done:  # a conditional field that no completed trial drew
        return ""
    figure, axes = _new_figure(5.4, 4.0)
    lost = [o for o in shown if o.status != COMPLETED]
    axes.scatter(
        [o.values[x.name] for o in lost],
        [o.values[y.name] for o in lost],
        marker="x",
        s=24,
        color=QUIT,
        lw=1,
        label=f"quit or failed ({len(lost)})",
    )
    points = axes.scatter(
        [o.values[x.name] for o in done],
        [o.values[y.name] for o in done],
        c=[o.val_accuracy for o in done],
        cmap=COLORS,
        s=26,
        label=f"completed ({len(done)})",
    )
    _mark_best(axes, outcomes[best], x, y)
    for field, place in ((x, "x"), (y, "y")):
        getattr(axes, f"set_{place}scale")(field.scale)
        getattr(axes, f"set_{place}label")(names[field.name])
    bar = figure.colorbar(points, ax=axes)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_edgecolor(INK)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    axes.set_title("validation accuracy of the trials", color=INK, fontsize=10)
    return _to_svg(figure)


def _mark_best(
    axes: Any, best: TrialOutcome, x: SearchField, y: SearchField
) -> None:
    if x.name in best.values and y.name in best.values:
        axes.scatter(
            [best.values[x.name]],
            [best.values[y.name]],
            s=130,
            facecolors="none",
            edgecolors=BEST,
            lw=2,
            label="best",
        )


def place_of(field: SearchField, value: Any) -> float:
    """Returns where a value lies on a field's axis, 0..1 within the range."""
    if field.kind == "choice":
        last = max(1, len(field.options) - 1)
        return field.options.index(value) / last
    return field.to_unit(value)


def plot_parallel(
    outcomes: Sequence[TrialOutcome], space: Space, names: dict[str, str]
) -> str:
    """Plots each completed trial as a line over the fields; "" without any.

    The last axis is the accuracy, which colours the lines; the better ones lie
    on top.
    """
    done = [o for o in outcomes if o.status == COMPLETED]
    if not done:
        return ""
    scores = np.array([o.val_accuracy for o in done], float)
    low, span = scores.min(), max(float(np.ptp(scores)), 1e-9)
    figure, axes = _new_figure(1.6 * len(space) + 2.4, 3.4)
    from matplotlib import colormaps

    for index in np.argsort(scores):
        values = done[index].values
        heights = [
            place_of(field, values[field.name])
            if field.name in values
            else float("nan")
            for field in space
        ]
        level = (scores[index] - low) / span
        axes.plot(
            range(len(space) + 1),
            [*heights, level],
            color=colormaps[COLORS](level),
            alpha=0.3 + 0.6 * level,
            lw=1.2,
        )
    labels = [names[field.name] for field in space]
    axes.set_xticks(range(len(space) + 1), [*labels, "accuracy"])
    axes.set_yticks([])
    for place, field in enumerate(space):
        _label_axis(axes, place, field)
    axes.text(len(space), 1.04, f"{scores.max():.3f}", **_text())
    axes.text(len(space), -0.04, f"{low:.3f}", **_text("top"))
    axes.set_title("completed trials over all fields", color=INK, fontsize=10)
    return _to_svg(figure)


def _label_axis(axes: Any, place: int, field: SearchField) -> None:
    axes.axvline(place, color=INK, lw=0.6)
    if field.kind == "choice":
        for option in field.options:
            height = place_of(field, option)
            axes.text(place + 0.03, height, str(option), color=INK, fontsize=7)
        return
    axes.text(place, 1.04, f"{field.high:.3g}", **_text())
    axes.text(place, -0.04, f"{field.low:.3g}", **_text("top"))


def _text(side: str = "bottom") -> dict[str, Any]:
    return {"color": INK, "fontsize": 7, "ha": "center", "va": side}


def compute_effects(
    outcomes: Sequence[TrialOutcome], field: SearchField
) -> list[dict[str, Any]]:
    """Returns the mean accuracy in each part of a field's range.

    Ranges fall into thirds of their own scale, choices into their options.

    Returns:
        Rows `label`, `mean`, `interval` (95 %, bootstrap over trials; None for
        a single trial) and `count`; parts without a trial are left out.
    """
    done = [
        o for o in outcomes if o.status == COMPLETED and field.name in o.values
    ]
    parts: dict[str, list[float]] = {}
    if field.kind == "choice":
        labels = {option: str(option) for option in field.options}
        parts = {label: [] for label in labels.values()}
        for outcome in done:
            label = labels[outcome.values[field.name]]
            parts[label].append(outcome.val_accuracy or 0.0)
    else:
        edges = [field.from_unit(i / BINS) for i in range(BINS + 1)]
        ranges = [f"{a:.2g} .. {b:.2g}" for a, b in itertools.pairwise(edges)]
        parts = {label: [] for label in ranges}
        for outcome in done:
            unit = field.to_unit(outcome.values[field.name])
            index = min(BINS - 1, max(0, int(unit * BINS)))
            parts[ranges[index]].append(outcome.val_accuracy or 0.0)
    return [
        {
            "label": label,
            "mean": float(np.mean(values)),
            "interval": bootstrap_interval(
                np.array(values), num_samples=SAMPLES
            )
            if len(values) > 1
            else None,
            "count": len(values),
        }
        for label, values in parts.items()
        if values
    ]


def plot_effects(
    outcomes: Sequence[TrialOutcome], space: Space, names: dict[str, str]
) -> str:
    """Plots each field's effect on the accuracy, with intervals."""
    effects = [(field, compute_effects(outcomes, field)) for field in space]
    effects = [(field, rows) for field, rows in effects if rows]
    if not effects:
        return ""
    total = sum(len(rows) + 1 for _, rows in effects)
    figure, axes = _new_figure(6.4, 0.27 * total + 0.9)
    height, ticks, labels = 0, [], []
    for field, rows in effects:
        for row in rows:
            low, high = row["interval"] or (row["mean"], row["mean"])
            axes.plot([low, high], [height, height], color=POINT, lw=2)
            axes.plot(row["mean"], height, "o", ms=5, color=POINT)
            ticks.append(height)
            labels.append(
                f"{names[field.name]} {row['label']} ({row['count']})"
            )
            height -= 1
        height -= 1
    axes.set_yticks(ticks, labels)
    axes.set_xlabel("mean validation accuracy, 95 % intervals over trials")
    axes.set_title("effect of each field", color=INK, fontsize=10)
    return _to_svg(figure)


def plot_learning_curves(
    outcomes: Sequence[TrialOutcome], ranked: Sequence[int]
) -> str:
    """Plots the training loss of the best and of the quit trials."""
    best = [outcomes[index] for index in ranked[:CURVES]]
    quit_ones = [o for o in outcomes if o.status != COMPLETED][:CURVES]
    figure, axes = _new_figure(5.4, 3.4)
    lines = 0
    for group, color, what in (
        (best, BEST, "best"),
        (quit_ones, QUIT, "quit or failed"),
    ):
        for outcome in group:
            rows = [row for row in outcome.history if "train/loss" in row]
            if not rows:
                continue
            axes.plot(
                range(1, len(rows) + 1),
                [row["train/loss"] for row in rows],
                color=color,
                marker="o",
                ms=3,
                lw=1.2,
                label=what,
            )
            if outcome.status != COMPLETED:
                axes.plot(len(rows), rows[-1]["train/loss"], "x", color=color)
            what, lines = "_", lines + 1
    if not lines:
        return ""
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_title("training loss", color=INK, fontsize=10)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    axes.xaxis.set_major_locator(_whole_numbers())
    return _to_svg(figure)


def _whole_numbers() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


def _new_figure(width: float, height: float) -> tuple[Any, Any]:
    # The object-oriented interface keeps pyplot's global state, and its
    # display, out of the program.
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
    return figure, axes


def _to_svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", transparent=True, metadata={"Date": None}
    )
    text = buffer.getvalue()
    return text[text.index("<svg") :]
