"""Charts that follow the page's colours, in light, dark and print.

A chart is drawn in the light colours; in its SVG each of them becomes the CSS
variable of the same name (`theme.css`), so that a dark page shows dark charts.
"""

import contextlib
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Name of the CSS variable -> its light value.
THEME = {
    "ink": "#1d2127",
    "soft": "#565d67",
    "line": "#d9dee4",
    "good": "#17734a",
    "bad": "#b3261d",
    "band": "#8a93a0",
    "train": "#2563c9",
    "validation": "#c2510a",
}
SERIES = (
    "#2563c8",
    "#c2510b",
    "#17735a",
    "#9333b0",
    "#a8830c",
    "#0e7a99",
    "#c0266e",
    "#6b7f17",
    "#7a5236",
    "#5a5fcf",
)
# From low to high: the higher, the more it stands out from the page.
LEVELS = (
    "#c5cfc0",
    "#9fcf9a",
    "#5fbf8d",
    "#2fa089",
    "#2a768e",
    "#39558c",
    "#472e7c",
    "#440154",
)
MARKERS = "os^Dv<>Ph*"
CSS_COLORS = {
    **THEME,
    **{f"series-{i}": color for i, color in enumerate(SERIES)},
    **{f"level-{i}": color for i, color in enumerate(LEVELS)},
}
FONT_SIZE = 9.5
# Class names may hold dollar signs, which are no formulas here.
SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "tlkeras",
    "font.size": FONT_SIZE,
    "axes.unicode_minus": False,
}


def read_theme() -> str:
    """Returns the CSS variables that a page with charts defines."""
    return Path(__file__).with_name("theme.css").read_text("utf-8")


@contextlib.contextmanager
def chart_settings() -> Iterator[None]:
    """Makes matplotlib draw plain text, and the same SVG each time."""
    import warnings

    import matplotlib

    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        # Browsers have the glyphs that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def new_chart(width: float = 5.0, height: float = 3.0) -> tuple[Any, Any]:
    """Returns an empty figure and its axes.

    Args:
        width: Inches of 72 CSS pixels.
        height: Likewise.
    """
    # The object-oriented interface keeps pyplot's global state, and its
    # display, out of the program.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes)
    return figure, axes


def style_axes(axes: Any) -> None:
    """Gives axes the page's colours and a light grid."""
    axes.patch.set_alpha(0)
    axes.tick_params(colors=THEME["soft"], which="both", length=3)
    axes.grid(axis="y", color=THEME["line"], lw=0.7)
    axes.set_axisbelow(True)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(THEME["soft"])
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(THEME["band"])


def use_log_scale(axes: Any, which: str) -> None:
    """Makes an axis logarithmic, with ticks such as 0.001.

    Args:
        axes: Of a chart.
        which: `x` or `y`.
    """
    from matplotlib.ticker import FuncFormatter

    if which == "x":
        axes.set_xscale("log")
    else:
        axes.set_yscale("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(
        FuncFormatter(lambda v, _: label_minor(v, *axis.get_view_interval()))
    )


def label_minor(value: float, low: float, high: float) -> str:
    """Returns what a tick between powers of ten says; mostly nothing.

    Args:
        value: Of the tick, above 0.
        low: End of the axis.
        high: Its other end.

    Example:
    >>> label_minor(0.2, 0.15, 0.7), label_minor(0.2, 0.001, 10)
    ('0.2', '')
    """
    if high > 20 * low:
        return ""
    digit = round(value / 10 ** math.floor(math.log10(value)), 6)
    return f"{value:g}" if digit in (2, 5) or high < 3 * low else ""


def use_whole_numbers(axes: Any) -> None:
    """Puts the ticks of the x axis, such as epochs, at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


def level_map() -> Any:
    """Returns `LEVELS` as matplotlib's colour map."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(LEVELS)


def heat_colors() -> Any:
    """Returns the colour map of heat maps: 0 is dark, 1 is bright."""
    import matplotlib

    return matplotlib.colormaps["inferno"]


def add_legend(figure: Any, axes: Any, *, columns: int = 4) -> None:
    """Adds a legend below a chart, where it hides nothing.

    Args:
        figure: Of the chart.
        axes: Whose labelled lines it names.
        columns: Entries side by side.
    """
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=min(len(labels), columns),
            frameon=False,
            labelcolor=THEME["ink"],
            fontsize=FONT_SIZE - 0.5,
            columnspacing=1.2,
            handlelength=1.6,
        )


def shorten(text: str, limit: int = 24) -> str:
    """Returns a name that leaves room for the chart itself.

    Example:
    >>> shorten("mean_average_precision", 10)
    'mean_av...'
    """
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def to_svg(figure: Any, name: str) -> str:
    """Returns a chart as an `<svg>` element in the page's colours.

    Args:
        figure: From `new_chart`.
        name: Put before its ids, which must differ between charts.
    """
    buffer = io.StringIO()
    with chart_settings():
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    text = re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)
    for variable, color in CSS_COLORS.items():
        text = text.replace(color, f"var(--{variable})")
    return text


def to_png(figure: Any, *, dpi: int = 130) -> bytes:
    """Returns a chart as a PNG on white.

    Args:
        figure: From `new_chart`.
        dpi: Pixels an inch.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    with chart_settings():
        figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()
