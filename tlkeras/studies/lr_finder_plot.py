"""A range test as a picture: loss over rate, and what the rules suggest."""

import math
from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.charts import (
    FONT_SIZE,
    SERIES,
    THEME,
    add_legend,
    chart_settings,
    new_chart,
    to_png,
    use_log_scale,
)
from tlkeras.training.learning_rates import LearningRates

REGION_COLORS = {
    "barely changes": THEME["band"],
    "learns": THEME["good"],
    "diverges": THEME["bad"],
}
HIGHEST_SHOWN = 1.6  # times the first loss: what diverges leaves the picture
MARGIN = 0.2  # of the smoothed loss's span, above and below it
STYLES = ("--", ":", "-.", (0, (6, 2)), (0, (1, 3)))
COLORS = SERIES[3:]  # those before are near the regions' and the curve's
DPI = 200


def plot_learning_rates(found: LearningRates, path: Path) -> None:
    """Writes a range test as a picture.

    Args:
        found: From `find_learning_rates`.
        path: Of the PNG file.
    """
    title = f"range test of {found.phase}"
    figure = plot_range_test(found.as_dict(), title=title)
    with workdir.replacing(path) as temporary:
        temporary.write_bytes(to_png(figure, dpi=DPI))


def plot_range_test(test: dict[str, Any], *, title: str = "") -> Any:
    """Draws loss over rate, the regions, and the rules' suggestions.

    Args:
        test: A phase's record in `lr_finder.json`.
        title: Of the chart; "" where the page says what it is.

    Returns:
        A figure.

    Reference:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017.
    """
    rates = test["rates"]
    with chart_settings():
        figure, axes = new_chart(5.6, 3.6)
        for region in test["regions"]:
            _draw_region(axes, region["name"], region["low"], region["high"])
        losses = [_finite(value) for value in test["losses"]]
        smoothed = [_finite(value) for value in test["smoothed"]]
        for values, color, width, label in (
            (losses, "band", 0.7, "batch"),
            (smoothed, "train", 2, "smoothed"),
        ):
            axes.plot(
                rates[: len(values)],
                values,
                color=THEME[color],
                lw=width,
                label=label,
            )
        for i, (rule, rate) in enumerate(test["suggestions"].items()):
            if rate and math.isfinite(rate):
                _mark_rate(axes, i, rule, rate, is_used=rule == test["rule"])
        use_log_scale(axes, "x")
        if limits := find_limits(smoothed):
            axes.set_ylim(*limits)
        axes.set_xlabel("learning rate of the head; other groups multiply it")
        axes.set_ylabel("training loss")
        if title:
            axes.set_title(title, color=THEME["ink"], pad=18)
        add_legend(figure, axes, columns=3)
    return figure


def find_limits(smoothed: list[float]) -> tuple[float, float] | None:
    """Returns the ends of the loss axis; None where nothing is finite.

    Single batches, which differ by more than most rates change, may leave the
    picture, and so does a loss that diverges.

    Example:
    >>> find_limits([1.0, 0.5, 1.5, 9.0])
    (0.28, 1.82)
    """
    finite = [value for value in smoothed if math.isfinite(value)]
    if not finite:
        return None
    low = min(finite)
    high = max(low, min(max(finite), HIGHEST_SHOWN * finite[0]))
    margin = MARGIN * ((high - low) or abs(high) or 1.0)
    return round(low - margin, 6), round(high + margin, 6)


def _draw_region(axes: Any, name: str, low: float, high: float) -> None:
    if not 0 < low < high:
        return
    color = REGION_COLORS.get(name, THEME["band"])
    axes.axvspan(low, high, color=color, alpha=0.12, lw=0)
    axes.text(
        math.sqrt(low * high),
        1.02,
        name,
        transform=axes.get_xaxis_transform(),
        color=THEME["soft"],
        fontsize=FONT_SIZE - 1,
        ha="center",
    )


def _mark_rate(
    axes: Any, i: int, rule: str, rate: float, *, is_used: bool
) -> None:
    """Draws a rule's suggestion; the one that is used stands out."""
    axes.axvline(
        rate,
        color=THEME["ink"] if is_used else COLORS[i % len(COLORS)],
        lw=2 if is_used else 1.2,
        ls="-" if is_used else STYLES[i % len(STYLES)],
        label=f"{rule} {rate:.2g}{', used' if is_used else ''}",
    )


def _finite(value: float | None) -> float:
    return math.nan if value is None or not math.isfinite(value) else value
