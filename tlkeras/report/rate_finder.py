"""The learning-rate finder's range tests, drawn."""

import math
from typing import Any

from tlkeras.charts import (
    FONT_SIZE,
    SERIES,
    THEME,
    add_legend,
    chart_settings,
    new_chart,
    to_svg,
    use_log_scale,
)
from tlkeras.report.run_files import RunFiles

REGION_COLORS = {
    "barely changes": THEME["band"],
    "learns": THEME["good"],
    "diverges": THEME["bad"],
}
HIGHEST_SHOWN = 1.6  # times the initial loss


def build_rate_finder(files: RunFiles) -> dict[str, Any] | None:
    """Returns one chart a phase; None where no range test was made."""
    if not files.lr_finder:
        return None
    return {
        "phases": [
            {
                "phase": phase,
                **test,
                "svg": to_svg(plot_range_test(test), f"chart-finder-{i}"),
            }
            for i, (phase, test) in enumerate(files.lr_finder.items())
        ]
    }


def plot_range_test(test: dict[str, Any]) -> Any:
    """Draws loss over rate, the regions, and the rule's suggestions.

    Args:
        test: A phase's record in `lr_finder.json`.

    Reference:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017.
    """
    rates = test["rates"]
    with chart_settings():
        figure, axes = new_chart(5.4, 3.6)
        for region in test["regions"]:
            color = REGION_COLORS.get(region["name"], THEME["band"])
            low, high = region["low"], region["high"]
            if not 0 < low < high:
                continue
            axes.axvspan(low, high, color=color, alpha=0.12, lw=0)
            axes.text(
                math.sqrt(low * high),
                1.02,
                region["name"],
                transform=axes.get_xaxis_transform(),
                color=THEME["soft"],
                fontsize=FONT_SIZE - 1,
                ha="center",
            )
        losses = [_finite(value) for value in test["losses"]]
        smoothed = [_finite(value) for value in test["smoothed"]]
        for values, color, width, label in (
            (losses, "band", 0.8, "loss"),
            (smoothed, "train", 2, "smoothed"),
        ):
            axes.plot(
                rates[: len(values)],
                values,
                color=THEME[color],
                lw=width,
                label=label,
            )
        _mark_suggestions(axes, test)
        use_log_scale(axes, "x")
        finite = [v for v in (*losses, *smoothed) if math.isfinite(v)]
        if finite:
            top = max(HIGHEST_SHOWN * test["initial_loss"], min(finite) * 1.1)
            axes.set_ylim(min(finite) * 0.95, min(max(finite) * 1.05, top))
        axes.set_xlabel("learning rate of the head")
        axes.set_ylabel("training loss")
        add_legend(figure, axes, columns=3)
    return figure


def _mark_suggestions(axes: Any, test: dict[str, Any]) -> None:
    for i, (name, rate) in enumerate(test["suggestions"].items(), 1):
        if not rate or not math.isfinite(rate):
            continue
        chosen = name == test["rule"]
        axes.axvline(
            rate,
            color=THEME["good"] if chosen else SERIES[i],
            lw=2 if chosen else 1,
            ls="-" if chosen else ":",
            label=f"{name} {rate:.2g}",
        )


def _finite(value: float | None) -> float:
    return math.nan if value is None or not math.isfinite(value) else value
