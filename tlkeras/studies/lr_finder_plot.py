"""The loss over the learning rate as a picture."""

from pathlib import Path

from tlkeras import workdir
from tlkeras.training.lr_finder import LearningRates

REGION_COLORS = {
    "barely changes": "#8a9099",
    "learns": "#2a9d4b",
    "diverges": "#c8372d",
}


def plot_learning_rates(found: LearningRates, path: Path) -> None:
    """Draws a range test with its regions and the suggested rates.

    Args:
        found: From `find_learning_rates`.
        path: Of the PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for region in found.regions:
        color = REGION_COLORS[region.name]
        axes.axvspan(region.low, region.high, color=color, alpha=0.10, lw=0)
        axes.annotate(
            region.name,
            ((region.low * region.high) ** 0.5, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            color=color,
            fontsize=9,
        )
    smoothed = found.smoothed
    axes.plot(found.rates, found.losses, color="#9db8e8", lw=0.8, label="batch")
    axes.plot(found.rates, smoothed, color="#1f5fc4", lw=2, label="smoothed")
    for name, rate in found.suggestions.items():
        is_chosen = name == found.rule
        axes.axvline(
            rate,
            color="#d1600a" if is_chosen else "#7a7f87",
            lw=2 if is_chosen else 0.9,
            ls="-" if is_chosen else "--",
            label=f"{name} {rate:.1e}{', suggested' if is_chosen else ''}",
        )
    axes.set_xscale("log")
    span = float(smoothed.max() - smoothed.min()) or 1.0
    axes.set_ylim(
        float(smoothed.min()) - 0.1 * span, float(smoothed.max()) + 0.1 * span
    )
    axes.set_xlabel("learning rate of the head; other groups multiply it")
    axes.set_ylabel("training loss")
    axes.set_title(f"range test of {found.phase}", pad=18, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8, loc="best")
    with workdir.replacing(path) as temporary:
        figure.savefig(temporary, dpi=150)
