"""Plots of a run as inline SVG that suits light and dark pages."""

import io
from collections.abc import Sequence
from typing import Any

INK = "#7a7f87"  # readable on white and on near-black
TRAIN, VALIDATION = "#4c8bf5", "#f5803e"


def plot_curves(
    rows: Sequence[dict[str, str]], names: Sequence[str], *, title: str
) -> str:
    """Plots columns of `history.csv` over all epochs, phases marked.

    Args:
        rows: Of the history; empty cells leave gaps.
        names: Columns; the first is drawn as training, the second as
            validation.
        title: Of the plot.

    Returns:
        An `<svg>` element.
    """
    figure, axes = _new_figure(5.2, 3.0)
    steps = range(1, len(rows) + 1)
    for name, color in zip(names, (TRAIN, VALIDATION), strict=True):
        values = [float(row.get(name) or "nan") for row in rows]
        axes.plot(steps, values, marker="o", ms=3, color=color, label=name)
    _mark_phases(axes, rows)
    axes.set_xlabel("epochs, all phases")
    axes.set_title(title, color=INK, fontsize=10)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    return _to_svg(figure)


def plot_rates(rows: Sequence[dict[str, str]]) -> str:
    """Plots each group's learning rate over all epochs; "" without rates."""
    names = [
        name
        for name in (rows[0] if rows else {})
        if name.startswith("learning_rate/") and any(row[name] for row in rows)
    ]
    if not names:
        return ""
    figure, axes = _new_figure(5.2, 3.0)
    for name in names:
        values = [float(row[name] or "nan") for row in rows]
        label = name.removeprefix("learning_rate/")
        axes.plot(
            range(1, len(rows) + 1), values, marker="o", ms=3, label=label
        )
    axes.set_yscale("log")
    axes.set_xlabel("epochs, all phases")
    _mark_phases(axes, rows)
    axes.set_title("learning rate by layer group", color=INK, fontsize=10)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8)
    return _to_svg(figure)


def _mark_phases(axes: Any, rows: Sequence[dict[str, str]]) -> None:
    for index in range(1, len(rows)):
        if rows[index]["phase"] != rows[index - 1]["phase"]:
            axes.axvline(index + 0.5, color=INK, lw=0.8, ls=":")


def _new_figure(width: float, height: float) -> tuple[Any, Any]:
    # The object-oriented interface keeps pyplot's global state, and its
    # display, out of the program.
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set_color(INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, axes


def _to_svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(
        buffer, format="svg", transparent=True, metadata={"Date": None}
    )
    text = buffer.getvalue()
    return text[text.index("<svg") :]
