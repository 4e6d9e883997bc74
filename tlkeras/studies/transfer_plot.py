"""The figure of Yosinski et al. 2014: accuracy over the cut, by kind."""

from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.charts import (
    MARKERS,
    SERIES,
    THEME,
    add_legend,
    new_chart,
    style_axes,
    to_png,
)
from tlkeras.studies.transfer_networks import CURVES

# Kind -> what its curve means, in the legend.
MEANINGS = {
    "BnB": "BnB: own layers, frozen",
    "AnB": "AnB: other classes' layers, frozen",
    "BnB+": "BnB+: own layers, fine-tuned",
    "AnB+": "AnB+: other classes' layers, fine-tuned",
}


def plot_transferability(result: dict[str, Any], path: Path) -> None:
    """Draws each kind's difference to the base over the cut, with bands.

    Args:
        result: From `run_transferability`.
        path: Of the PNG file.
    """
    figure, axes = new_chart(7.5, 4.8)
    style_axes(axes)
    cuts = [cut["layer"] for cut in result["cuts"]]
    for number, kind in enumerate(CURVES):
        if kind in result["curves"]:
            _draw_curve(axes, kind, number, result["curves"][kind])
    ink = THEME["ink"]
    axes.axhline(0, color=ink, lw=1)
    axes.text(
        1.01,
        0,
        f"base {result['base']:.3f}",
        transform=axes.get_yaxis_transform(),
        color=ink,
        va="center",
    )
    gain = result["base_long_gain"]["mean"]
    axes.axhline(gain, color=ink, lw=1, ls="--")
    if abs(gain) > 0.06 * (axes.get_ylim()[1] - axes.get_ylim()[0]):
        axes.text(
            1.01,
            gain,
            f"as many\nsteps again\n{result['base_long']:.3f}",
            transform=axes.get_yaxis_transform(),
            color=ink,
            va="center",
        )
    stages = [f"{cut['layer']}\nstage {cut['stage']}" for cut in result["cuts"]]
    axes.set_xticks(range(len(cuts)), stages, fontsize=8)
    axes.set_xlim(-0.3, len(cuts) - 0.7)
    axes.set_xlabel("last layer that is transferred")
    axes.set_ylabel("validation accuracy, difference to the base")
    protocol = result["protocol"]
    state = "" if result["converged"] else "; the base has not converged"
    axes.set_title(
        f"{protocol['backbone']} on {Path(protocol['data']).name}: "
        f"{result['num_pairs']} pairs, 95 % t-intervals{state}",
        fontsize=10,
        color=ink,
    )
    add_legend(figure, axes, columns=2)
    with workdir.replacing(path) as temporary:
        temporary.write_bytes(to_png(figure, dpi=150))


def _draw_curve(
    axes: Any, kind: str, number: int, points: list[dict[str, Any]]
) -> None:
    color = SERIES[number]
    places = range(len(points))
    axes.plot(
        places,
        [point["mean"] for point in points],
        color=color,
        ls="--" if kind.endswith("+") else "-",
        marker=MARKERS[number],
        ms=5,
        label=MEANINGS[kind],
    )
    if points[0]["interval"] is not None:
        low, high = zip(*(point["interval"] for point in points), strict=True)
        axes.fill_between(places, low, high, color=color, alpha=0.12, lw=0)
