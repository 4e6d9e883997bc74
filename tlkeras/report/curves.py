"""What happened epoch by epoch: loss, metric, rates, sizes of updates."""

import math
from collections.abc import Sequence
from typing import Any

from tlkeras.charts import (
    FONT_SIZE,
    MARKERS,
    SERIES,
    THEME,
    add_legend,
    chart_settings,
    new_chart,
    shorten,
    to_svg,
    use_log_scale,
    use_whole_numbers,
)
from tlkeras.report.run_files import Content, RunFiles

Rows = Sequence[dict[str, str]]
LOG_FROM_RATIO = 50.0  # largest / smallest loss that a linear axis still shows
HEALTHY_UPDATES = (1e-4, 1e-2)


def build_curves(files: RunFiles) -> Content | None:
    """Returns the charts of `history.csv`, or None where it has no rows."""
    rows = files.history
    if not rows:
        return None
    metric = f"{files.metric_name} by epoch"
    kept = (files.result.best_phase, files.result.best_epoch)
    charts: list[dict[str, str] | None] = [
        plot_pair(rows, "loss", "loss by epoch", kept),
        plot_pair(rows, files.metric, metric, kept),
    ]
    if any(name.startswith("learning_rate/") for name in rows[0]):
        charts.append(
            plot_groups(rows, "learning_rate/", "learning rate by layer group")
        )
    charts.append(
        plot_groups(
            rows,
            "update_ratio/",
            "update to weight ratio by layer group",
            healthy=HEALTHY_UPDATES,
        )
    )
    return {
        "charts": [chart for chart in charts if chart],
        "num_epochs": len(rows),
        "phases": list(dict.fromkeys(row["phase"] for row in rows)),
        "stopped": {
            row.phase: row.stopped for row in files.phases if row.stopped
        },
    }


def plot_pair(
    rows: Rows, name: str, title: str, kept: tuple[str, int]
) -> dict[str, str]:
    """Plots a figure of training and validation over all epochs.

    Args:
        rows: Of the history; empty and infinite values leave gaps.
        name: Column, without `train/` or `val/`.
        title: Of the chart.
        kept: (phase, epoch) whose weights were chosen.

    Returns:
        `title`, `svg`, and `text` for those who do not see it.
    """
    said = []
    with chart_settings():
        figure, axes = new_chart()
        for prefix, label in (("train", "train"), ("val", "validation")):
            values = read_column(rows, f"{prefix}/{name}")
            _plot_by_phase(axes, rows, values, THEME[label], "o", label)
            said.append(f"{label} {_describe(values)}")
        broken = [
            i for i, v in enumerate(values, 1) if not math.isfinite(v)
        ]  # of validation
        if broken:
            axes.plot(
                broken,
                [0.97] * len(broken),
                "x",
                color=THEME["bad"],
                transform=axes.get_xaxis_transform(),
                label="not finite",
            )
        for i, row in enumerate(rows, 1):
            if (row["phase"], int(row["epoch"])) == kept:
                axes.axvline(i, color=THEME["good"], lw=1.2, label="kept")
        _use_log_if_wide(axes, rows, name)
        _finish(figure, axes, rows)
        svg = to_svg(figure, f"chart-{name}")
    text = f"{title}: {'; '.join(said)}"
    return {"title": title, "svg": svg, "text": text}


def plot_groups(
    rows: Rows,
    prefix: str,
    title: str,
    *,
    healthy: tuple[float, float] | None = None,
) -> dict[str, str] | None:
    """Plots one column a layer group on a logarithmic axis.

    Args:
        rows: Of the history.
        prefix: Of the columns, with its slash.
        title: Of the chart.
        healthy: (low, high), shaded.

    Returns:
        As `plot_pair`; None where no column has a positive value.
    """
    columns = {}
    for name in sorted(rows[0]):
        if name.startswith(prefix):
            values = [v if v > 0 else math.nan for v in read_column(rows, name)]
            if any(math.isfinite(value) for value in values):
                columns[name.removeprefix(prefix)] = values
    if not columns:
        return None
    said = []
    with chart_settings():
        figure, axes = new_chart()
        if healthy:
            axes.axhspan(
                *healthy, color=THEME["good"], alpha=0.12, lw=0, label="healthy"
            )
        for i, (name, values) in enumerate(columns.items()):
            color = SERIES[i % len(SERIES)]
            marker = MARKERS[i % len(MARKERS)]
            _plot_by_phase(axes, rows, values, color, marker, shorten(name))
            said.append(f"{name} {_describe(values)}")
        use_log_scale(axes, "y")
        _finish(figure, axes, rows)
        svg = to_svg(figure, f"chart-{prefix.strip('/')}")
    text = f"{title}: {'; '.join(said)}"
    return {"title": title, "svg": svg, "text": text}


def read_column(rows: Rows, name: str) -> list[float]:
    """Returns a column of the history; NaN where a cell is empty."""
    return [float(row.get(name) or "nan") for row in rows]


def phase_spans(rows: Rows) -> list[tuple[str, int, int]]:
    """Returns (phase, first, last) for each phase, counting rows from 1."""
    spans: list[tuple[str, int, int]] = []
    for i, row in enumerate(rows, 1):
        if spans and spans[-1][0] == row["phase"]:
            spans[-1] = (row["phase"], spans[-1][1], i)
        else:
            spans.append((row["phase"], i, i))
    return spans


def _plot_by_phase(
    axes: Any,
    rows: Rows,
    values: list[float],
    color: str,
    marker: str,
    label: str,
) -> None:
    """Draws a line for each phase: between two phases nothing moved."""
    drawn = [v if math.isfinite(v) else math.nan for v in values]
    for _, first, last in phase_spans(rows):
        axes.plot(
            range(first, last + 1),
            drawn[first - 1 : last],
            marker=marker,
            ms=3.5,
            lw=1.6,
            color=color,
            label=label,
        )
        label = "_again"  # matplotlib lists no label with an underscore


def _use_log_if_wide(axes: Any, rows: Rows, name: str) -> None:
    found = [
        value
        for prefix in ("train/", "val/")
        for value in read_column(rows, prefix + name)
        if math.isfinite(value)
    ]
    if name == "loss" and found and min(found) > 0:
        median = sorted(found)[len(found) // 2]
        if max(found) > LOG_FROM_RATIO * median:
            use_log_scale(axes, "y")


def _finish(figure: Any, axes: Any, rows: Rows) -> None:
    """Marks the phases, and names the axis."""
    for i, (phase, first, last) in enumerate(phase_spans(rows)):
        if i % 2:
            axes.axvspan(
                first - 0.5, last + 0.5, color=THEME["band"], alpha=0.1, lw=0
            )
        axes.text(
            first - 0.4,
            1.02 + 0.075 * (i % 2),
            shorten(phase),
            transform=axes.get_xaxis_transform(),
            color=THEME["soft"],
            fontsize=FONT_SIZE - 1,
        )
    axes.set_xlim(0.5, len(rows) + 0.5)
    use_whole_numbers(axes)
    axes.set_xlabel("epoch, over all phases")
    add_legend(figure, axes)


def _describe(values: list[float]) -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "has no finite value"
    return f"from {finite[0]:.3g} to {finite[-1]:.3g}"
