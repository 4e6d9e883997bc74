"""Pictures of a search as inline SVG in the colours of the page."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from tlkeras.charts import (
    FONT_SIZE,
    LEVELS,
    THEME,
    add_legend,
    chart_settings,
    level_map,
    new_chart,
    shorten,
    to_svg,
    use_log_scale,
    use_whole_numbers,
)
from tlkeras.evaluation.metrics import bootstrap_interval
from tlkeras.tuning.space.space import SearchField, Space
from tlkeras.tuning.trials.outcome import TrialOutcome

CURVES = 5  # learning curves of the best, and as many of the quit trials
BINS = 3  # of a range, for its effect
SAMPLES = 1000  # of the bootstrap


def scatter_fields(space: Space) -> Space:
    """Returns the first two numbers of a space, or fewer."""
    return tuple(field for field in space if field.kind != "choice")[:2]


def plot_scatter(
    outcomes: Sequence[TrialOutcome],
    space: Space,
    best: int | None,
    names: dict[str, str],
) -> str:
    """Plots two fields against each other, coloured by accuracy.

    The first two numbers of the space, each in its own scale: the lecture's
    log rate x log regularisation. Crosses are trials without an accuracy.

    Args:
        outcomes: Of all trials.
        space: That was searched.
        best: Index of the trial that is circled, or None.
        names: Field -> what its axis is called.

    Returns:
        An `<svg>` element, or "" where no completed trial has two numbers.
    """
    fields = scatter_fields(space)
    done = [o for o in outcomes if o.is_completed and _has(o, fields)]
    if len(fields) < 2 or not done:  # a field that no completed trial drew
        return ""
    lost = [o for o in outcomes if not o.is_completed and _has(o, fields)]
    with chart_settings():
        figure, axes = new_chart(5.6, 4.0)
        axes.scatter(
            *_places(lost, fields),
            marker="x",
            s=24,
            color=THEME["bad"],
            lw=1,
            label=f"quit or failed ({len(lost)})",
        )
        points = axes.scatter(
            *_places(done, fields),
            c=[o.val_accuracy for o in done],
            cmap=level_map(),
            s=30,
            lw=0,
        )
        # The points' own entry would have the colour of the first of them.
        axes.scatter(
            [], [], s=30, color=LEVELS[-2], label=f"completed ({len(done)})"
        )
        if best is not None and _has(outcomes[best], fields):
            axes.scatter(
                *_places([outcomes[best]], fields),
                s=120,
                facecolors="none",
                edgecolors=THEME["ink"],
                lw=1.6,
                label="best",
            )
        for field, which in zip(fields, "xy", strict=True):
            if field.scale == "log":
                use_log_scale(axes, which)
            getattr(axes, f"set_{which}label")(shorten(names[field.name]))
        bar = figure.colorbar(points, ax=axes, label="validation accuracy")
        bar.ax.yaxis.label.set_color(THEME["soft"])
        bar.ax.tick_params(colors=THEME["soft"])
        bar.outline.set_visible(False)
        add_legend(figure, axes)
        return to_svg(figure, "chart-trials")


def _has(outcome: TrialOutcome, fields: Space) -> bool:
    """Whether a trial has a number for each field."""
    return all(
        isinstance(outcome.values.get(field.name), int | float)
        for field in fields
    )


def _places(
    outcomes: Sequence[TrialOutcome], fields: Space
) -> list[list[float]]:
    return [[o.values[field.name] for o in outcomes] for field in fields]


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
    done = [o for o in outcomes if o.is_completed]
    if not done:
        return ""
    scores = np.array([o.val_accuracy for o in done], float)
    low, span = scores.min(), max(float(np.ptp(scores)), 1e-9)
    last = len(space)
    with chart_settings():
        figure, axes = new_chart(max(5.6, 1.2 * last + 1.4), 3.6)
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
                range(last + 1),
                [*heights, level],
                color=LEVELS[round(level * (len(LEVELS) - 1))],
                lw=1.4,
            )
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)
        axes.set_yticks([])
        axes.tick_params(axis="x", length=0, pad=7)
        labels = [shorten(names[field.name], 16) for field in space]
        axes.set_xticks(range(last + 1), [*labels, "accuracy"])
        axes.set_xlim(-0.25, last + 0.4)
        for place, field in enumerate(space):
            _label_axis(axes, place, field)
        _label_ends(axes, last, f"{low:.3f}", f"{scores.max():.3f}")
        return to_svg(figure, "chart-parallel")


def _label_axis(axes: Any, place: int, field: SearchField) -> None:
    if field.kind != "choice":
        _label_ends(axes, place, f"{field.low:.3g}", f"{field.high:.3g}")
        return
    _draw_axis(axes, place)
    for option in field.options:
        axes.annotate(
            shorten(str(option), 12),
            (place, place_of(field, option)),
            xytext=(4, 3),
            textcoords="offset points",
            color=THEME["ink"],
            fontsize=FONT_SIZE - 1,
        )


def _label_ends(axes: Any, place: int, low: str, high: str) -> None:
    """Draws an axis with a text below and above it."""
    _draw_axis(axes, place)
    for height, text, offset, side in (
        (0, low, -4, "top"),
        (1, high, 4, "bottom"),
    ):
        axes.annotate(
            text,
            (place, height),
            xytext=(0, offset),
            textcoords="offset points",
            color=THEME["soft"],
            fontsize=FONT_SIZE - 1,
            ha="center",
            va=side,
            annotation_clip=False,
        )


def _draw_axis(axes: Any, place: int) -> None:
    axes.plot([place, place], [0, 1], color=THEME["band"], lw=0.8, zorder=1)


@dataclasses.dataclass(frozen=True)
class Effect:
    """The accuracy of trials in one part of a field's range.

    Attributes:
        label: Of the part.
        mean: Accuracy.
        interval: 95 % of the mean, bootstrap over trials; None for one trial.
        count: Trials.
    """

    label: str
    mean: float
    interval: tuple[float, float] | None
    count: int


def compute_effects(
    outcomes: Sequence[TrialOutcome], field: SearchField
) -> list[Effect]:
    """Returns the mean accuracy in each part of a field's range.

    Ranges fall into thirds of their own scale, choices into their options;
    parts without a trial are left out.
    """
    done = [o for o in outcomes if o.is_completed and field.name in o.values]
    if field.kind == "choice":
        labels = [str(option) for option in field.options]
    else:
        edges = [field.from_unit(i / BINS) for i in range(BINS + 1)]
        labels = [f"{a:.3g} .. {b:.3g}" for a, b in itertools.pairwise(edges)]
    parts: list[list[float]] = [[] for _ in labels]
    for outcome in done:
        value = outcome.values[field.name]
        if field.kind == "choice":
            index = field.options.index(value)
        else:
            unit = field.to_unit(value)
            index = min(BINS - 1, max(0, int(unit * BINS)))
        parts[index].append(outcome.val_accuracy or 0.0)
    return [
        Effect(
            label,
            float(np.mean(values)),
            bootstrap_interval(np.array(values), num_samples=SAMPLES)
            if len(values) > 1
            else None,
            len(values),
        )
        for label, values in zip(labels, parts, strict=True)
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
    height, ticks, labels = 0, [], []
    with chart_settings():
        figure, axes = new_chart(5.6, 0.27 * total + 0.9)
        for field, rows in effects:
            for row in rows:
                low, high = row.interval or (row.mean, row.mean)
                line = {"color": THEME["train"]}
                axes.plot([low, high], [height, height], lw=2, **line)
                axes.plot(row.mean, height, "o", ms=5, **line)
                ticks.append(height)
                name = shorten(names[field.name])
                labels.append(f"{name} {row.label} ({row.count})")
                height -= 1
            height -= 1
        axes.set_yticks(ticks, labels)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("mean validation accuracy, 95 % intervals over trials")
        return to_svg(figure, "chart-effects")


def plot_learning_curves(
    outcomes: Sequence[TrialOutcome], ranked: Sequence[int]
) -> str:
    """Plots the training loss of the best and of the quit trials.

    Args:
        outcomes: Of all trials.
        ranked: From `rank_trials`.
    """
    best = [outcomes[index] for index in ranked[:CURVES]]
    quit_ones = [o for o in outcomes if not o.is_completed][:CURVES]
    longest = 0
    with chart_settings():
        figure, axes = new_chart(5.6, 3.4)
        for group, color, what in (
            (best, "good", "best"),
            (quit_ones, "bad", "quit or failed"),
        ):
            for outcome in group:
                losses = [
                    row["train/loss"]
                    for row in outcome.history
                    if "train/loss" in row
                ]
                if not losses:
                    continue
                epochs = range(1, len(losses) + 1)
                style = {"color": THEME[color], "marker": "o", "ms": 3}
                axes.plot(epochs, losses, lw=1.2, label=what, **style)
                if not outcome.is_completed:
                    axes.plot(len(losses), losses[-1], "x", color=THEME[color])
                what, longest = "_again", max(longest, len(losses))
        if not longest:
            return ""
        axes.set_xlim(0.5, longest + 0.5)
        use_log_scale(axes, "y")
        use_whole_numbers(axes)
        axes.set_xlabel("epoch")
        axes.set_ylabel("training loss")
        add_legend(figure, axes)
        return to_svg(figure, "chart-losses")
