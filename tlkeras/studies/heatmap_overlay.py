"""The picture of an image's heat maps: the photo, then one panel a class."""

from collections.abc import Mapping

import numpy as np

from tlkeras.charts import (
    THEME,
    chart_settings,
    heat_colors,
    shorten,
    to_png,
)
from tlkeras.evaluation.heat_map import HeatMap

LONGER_SIDE = 480  # pixels of the photo in the picture
PANEL = 3.0  # inches
COLUMNS = 2  # so that a phone shows panels of half its width
DPI = 120


def draw_overlay(
    pixels: np.ndarray,
    heat_map: HeatMap,
    labels: Mapping[str, int],
    *,
    answer: tuple[str, float],
) -> bytes:
    """Draws an image beside its heat maps on one fixed scale, with a bar.

    Args:
        pixels: uint8 [H, W, 3], the upright image.
        heat_map: Of that image.
        labels: Class -> its place; a panel each.
        answer: The classifier's label and its score on the whole image.

    Returns:
        A PNG file.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

    photo = _shrink(pixels)
    panels = [(photo, f"answer: {shorten(answer[0])} {answer[1]:.2f}")]
    for name, label in labels.items():
        *_, peak = heat_map.find_peak(label)
        title = f"{shorten(name)}, peak {peak:.2f}"
        panels.append((heat_map.paint(photo, label), title))
    rows = -(-len(panels) // COLUMNS)
    with chart_settings():
        aspect = np.clip(photo.shape[0] / photo.shape[1], 0.4, 2.5)
        figure = Figure(
            figsize=(PANEL * COLUMNS, rows * (PANEL * aspect + 0.35) + 0.6),
            layout="constrained",
        )
        grid = figure.subplots(rows, COLUMNS, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, (picture, title) in zip(grid.flat, panels, strict=False):
            axes.imshow(picture, aspect="equal")
            axes.set_title(title, fontsize=12, color=THEME["ink"])
        bar = figure.colorbar(
            ScalarMappable(cmap=heat_colors()),
            ax=grid.ravel().tolist(),
            orientation="horizontal",
            fraction=0.06,
            aspect=40,
            pad=0.02,
        )
        bar.set_label("score of the class in a cell", fontsize=11)
        bar.ax.tick_params(labelsize=11)
        return to_png(figure, dpi=DPI)


def _shrink(pixels: np.ndarray) -> np.ndarray:
    """Returns uint8 [h, w, 3], the longer side `LONGER_SIDE` pixels.

    Tiny images are magnified, so that their cells are seen.
    """
    from PIL import Image

    height, width = pixels.shape[:2]
    scale = LONGER_SIDE / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(Image.fromarray(pixels).resize(size))
