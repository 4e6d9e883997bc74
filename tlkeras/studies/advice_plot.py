"""Advice as a picture: the plane of the quadrants, and the profile by depth."""

from pathlib import Path
from typing import Any

from tlkeras import charts, workdir
from tlkeras.studies.quadrants import (
    DIFFERENT,
    DIFFERENT_ABOVE,
    LARGE_FROM,
    QUADRANTS,
    RECIPES,
    SIMILAR,
    SIMILAR_BELOW,
    SMALL,
    SMALL_BELOW,
)

ADVICE_PLOT = "advice.png"
FURTHEST = 0.7  # of the plane, unless the set lies further
IMAGES = (10.0, 30_000.0)  # a class, of the plane, likewise


def plot_advice(result: dict[str, Any], path: Path) -> None:
    """Draws where a set lies, and what each depth knows of it.

    Args:
        result: From `advise`.
        path: Of the PNG file.
    """
    with charts.chart_settings():
        figure, axes = charts.new_chart(12.5, 5.0)
        axes.remove()
        plane, profile = figure.subplots(1, 2, width_ratios=(1, 1.15))
        for part in (plane, profile):
            charts.style_axes(part)
        _draw_plane(plane, result)
        _draw_profile(profile, result["profile"])
        png = charts.to_png(figure)
    with workdir.replacing(path) as temporary:
        temporary.write_bytes(png)


def _draw_plane(axes: Any, result: dict[str, Any]) -> None:
    similarity, size = result["similarity"], result["size"]
    distance = similarity["distance"] if similarity else None
    count = max(size["images_per_class"], 1)
    right = max(FURTHEST, 1.15 * (distance or 0))
    # The names of the quadrants stand at the edges, the set far from them.
    low, high = min(IMAGES[0], count / 10), max(IMAGES[1], count * 10)
    theme = charts.THEME
    axes.set_xlim(0, right)
    axes.set_ylim(low, high)
    charts.use_log_scale(axes, "y")
    axes.grid(visible=False)
    # What lies between the limits belongs to no quadrant by itself.
    axes.axvspan(SIMILAR_BELOW, DIFFERENT_ABOVE, color=theme["line"], lw=0)
    axes.axhspan(SMALL_BELOW, LARGE_FROM, color=theme["line"], lw=0)
    columns = {
        SIMILAR: SIMILAR_BELOW / 2,
        DIFFERENT: (DIFFERENT_ABOVE + right) / 2,
    }
    for (amount, kind), rule in QUADRANTS.items():
        is_here = result["quadrant"] == {"size": amount, "similarity": kind}
        words = RECIPES[rule.recipe].replace("fine-tuning", "fine-tune")
        axes.text(
            columns[kind],
            0.03 if amount == SMALL else 0.97,
            f"{amount}, {kind}:\n{_break(words)}",
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="bottom" if amount == SMALL else "top",
            color=theme["ink" if is_here else "soft"],
            weight="bold" if is_here else "normal",
        )
    if distance is None:
        axes.axhline(count, color=charts.SERIES[0], lw=2)
        place = (right / 2, count)
    else:
        axes.plot(distance, count, "o", ms=11, color=charts.SERIES[0])
        place = (distance, count)
    axes.annotate(
        f"{count:g} a class, "
        + ("distance unknown" if distance is None else f"at {distance:.2f}"),
        place,
        xytext=(0, 11),
        textcoords="offset points",
        ha="left" if distance is not None and distance < 0.1 else "center",
        color=charts.SERIES[0],
    )
    axes.set_xlabel("distance from the source of the weights")
    axes.set_ylabel("training images of the median class")
    verdict = result["verdict"].replace("_", " ")
    axes.set_title(f"expected: {RECIPES[result['expected_recipe']]}\n{verdict}")


def _break(words: str) -> str:
    """Returns a text in two lines of about the same length."""
    middle = len(words) / 2
    spaces = [i for i, letter in enumerate(words) if letter == " "]
    at = min(spaces, key=lambda i: abs(i - middle))
    return f"{words[:at]}\n{words[at + 1 :]}"


def _draw_profile(axes: Any, profile: dict[str, Any]) -> None:
    depths = profile["depths"]
    names = [depth["layer"] for depth in depths]
    places = range(len(depths))
    first, second = charts.SERIES[:2]
    low, high = zip(*(d["k_nn"]["interval"] for d in depths), strict=True)
    axes.fill_between(places, low, high, color=second, alpha=0.12, lw=0)
    axes.plot(
        places,
        [depth["k_nn"]["accuracy"] for depth in depths],
        color=second,
        marker="s",
        ms=3,
        lw=1.2,
        label="nearest neighbours",
    )
    fitted = [i for i in places if depths[i]["linear"]]
    values = [depths[i]["linear"]["accuracy"] for i in fitted]
    errors = [
        (value - low, high - value)
        for value, (low, high) in zip(
            values,
            (depths[i]["linear"]["interval"] for i in fitted),
            strict=True,
        )
    ]
    axes.errorbar(
        fitted,
        values,
        yerr=list(zip(*errors, strict=True)),
        color=first,
        marker="o",
        ms=5,
        capsize=3,
        label="linear classifier, 95 %",
    )
    axes.axhline(
        profile["raw_pixels"]["accuracy"],
        color=charts.THEME["soft"],
        ls="--",
        lw=1.2,
        label="linear on raw pixels",
    )
    axes.axhline(
        profile["chance"],
        color=charts.THEME["band"],
        ls=":",
        lw=1.2,
        label="largest class",
    )
    axes.set_xticks(
        places,
        [charts.shorten(name) for name in names],
        rotation=60,
        ha="right",
        fontsize=8,
    )
    axes.set_ylabel("accuracy, cross-validated")
    axes.set_title("what each depth knows")
    axes.legend(frameon=False, fontsize=8.5, loc="best")
