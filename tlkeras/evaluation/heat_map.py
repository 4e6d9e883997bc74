"""Scores of the classes over an image, and painting them on it."""

import dataclasses

import numpy as np

from tlkeras.charts import heat_colors
from tlkeras.data.placement import seen_area

Area = tuple[float, float, float, float]  # left, top, right, bottom; pixels
STRENGTH = 0.62  # of the colours over the grey photo


@dataclasses.dataclass(frozen=True)
class HeatMap:
    """Scores of the classes in a grid that covers an area of an image.

    Attributes:
        scores: [h, w, C] in 0..1.
        area: Of the grid, in pixels of the upright image; it may reach beyond
            the image.
        image_size: (width, height) of the image, pixels.
    """

    scores: np.ndarray
    area: Area
    image_size: tuple[int, int]

    @classmethod
    def of_input(
        cls,
        scores: np.ndarray,
        image_size: tuple[int, int],
        *,
        side: int,
        geometry: str,
    ) -> "HeatMap":
        """Returns the scores of a network's whole input over the image.

        Args:
            scores: [h, w, C] in 0..1.
            image_size: (width, height) of the upright image, pixels.
            side: Of the square input, pixels.
            geometry: Key of `placement.GEOMETRIES`: how the image fills it.
        """
        width, height = image_size
        area = seen_area(height, width, side, side, geometry)
        return cls(scores, area, image_size)

    def find_peak(self, label: int) -> tuple[int, int, float]:
        """Returns the middle of a class's highest cell, x and y, and its score.

        Args:
            label: 0 .. C - 1.
        """
        scores = self.scores[..., label]
        row, column = divmod(int(scores.argmax()), scores.shape[1])
        left, top, right, bottom = self._box(row, row + 1, column, column + 1)
        return (
            round((left + right) / 2),
            round((top + bottom) / 2),
            float(scores[row, column]),
        )

    def find_box(self, label: int) -> tuple[int, int, int, int]:
        """Returns what surrounds the peak with at least half of its score.

        Args:
            label: 0 .. C - 1.

        Returns:
            (left, top, right, bottom) of the cells that hang together with the
            peak, in pixels, within the image.
        """
        from scipy.ndimage import find_objects
        from scipy.ndimage import label as label_parts

        scores = self.scores[..., label]
        parts, _ = label_parts(scores >= scores.max() / 2)
        part = parts.flat[scores.argmax()]
        rows, columns = find_objects(parts)[part - 1]
        left, top, right, bottom = self._box(
            rows.start, rows.stop, columns.start, columns.stop
        )
        return round(left), round(top), round(right), round(bottom)

    def _box(self, first: int, last: int, left: int, right: int) -> Area:
        """Returns the pixels of rows first:last, columns left:right."""
        height, width = self.scores.shape[:2]
        x, y, x_end, y_end = self.area
        across, down = (x_end - x) / width, (y_end - y) / height
        wide, high = self.image_size
        return (
            min(max(x + left * across, 0.0), wide),
            min(max(y + first * down, 0.0), high),
            min(max(x + right * across, 0.0), wide),
            min(max(y + last * down, 0.0), high),
        )

    def mean_score(self, label: int) -> float:
        """Returns the mean of a class's scores over the cells."""
        return float(self.scores[..., label].mean())

    def paint(self, photo: np.ndarray, label: int) -> np.ndarray:
        """Lays the colours of a class over the photo, which turns grey.

        The scale is fixed: 0 and 1 have the same colours on every image. What
        the grid does not cover stays grey.

        Args:
            photo: uint8 [H, W, 3], the whole upright image at any size.
            label: 0 .. C - 1.

        Returns:
            uint8 [H, W, 3].
        """
        from PIL import Image

        height, width = photo.shape[:2]
        wide, high = self.image_size
        left, top, right, bottom = (
            round(side * scale)
            for side, scale in zip(
                self.area,
                (width / wide, height / high) * 2,
                strict=True,
            )
        )
        size = max(right - left, 1), max(bottom - top, 1)
        cells = Image.fromarray(self.scores[..., label].astype(np.float32))
        heat = np.asarray(cells.resize(size, Image.Resampling.BILINEAR))
        colors = heat_colors()(heat)[..., :3] * 255
        gray = photo @ np.array([0.299, 0.587, 0.114])
        painted = np.repeat(gray[..., None], 3, axis=-1)
        y, x = max(top, 0), max(left, 0)
        y_end, x_end = min(bottom, height), min(right, width)
        inside = painted[y:y_end, x:x_end]
        over = colors[y - top : y_end - top, x - left : x_end - left]
        painted[y:y_end, x:x_end] = inside + STRENGTH * (over - inside)
        return painted.round().astype(np.uint8)
