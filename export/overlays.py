"""Lays a served heat map over its image. Needs Pillow.

The `heatmap` signature answers class maps whose mean is the logits; scores of
0..1 in a cell are their softmax, or the sigmoid where images may carry several
labels. The colour scale is fixed, with a bar below the picture.
"""

import io
import math

LONGER_SIDE = 512  # pixels of a picture at most
STRENGTH = 0.62  # of the colours over the grey photo
BAR = 34  # pixels: the bar with its numbers
# Anchors of the scale, score 0 to 1: dark to bright.
COLORS = (
    (0, 0, 4),
    (87, 16, 110),
    (188, 55, 84),
    (249, 142, 9),
    (252, 255, 164),
)


def color_of(score):
    """Returns the colour (r, g, b) of a score in 0..1."""
    place = min(max(score, 0.0), 1.0) * (len(COLORS) - 1)
    low = min(int(place), len(COLORS) - 2)
    share = place - low
    return tuple(
        round(a + share * (b - a))
        for a, b in zip(COLORS[low], COLORS[low + 1], strict=True)
    )


def score_cells(heatmap, place, several):
    """Returns the scores [h][w] of one class.

    Args:
        heatmap: [h][w][C] class maps.
        place: Of the class.
        several: Whether images may carry several labels.
    """

    def score(cell):
        if several:
            return 1 / (1 + math.exp(-min(max(cell[place], -60), 60)))
        top = max(cell)
        return math.exp(cell[place] - top) / sum(
            math.exp(value - top) for value in cell
        )

    return [[score(cell) for cell in row] for row in heatmap]


def seen_area(width, height, geometry):
    """Returns (left, top, right, bottom) that the map covers, pixels."""
    if geometry == "squash":
        return 0, 0, width, height
    choose = min if geometry == "center_crop" else max  # letterbox
    side = choose(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def draw_overlay(content, scores, geometry="squash"):
    """Returns a PNG: the grey photo under the colours of the scores.

    Args:
        content: Encoded image.
        scores: [h][w] in 0..1.
        geometry: `data.geometry` of the run.
    """
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content)) as image:
        photo = ImageOps.exif_transpose(image).convert("RGB")
    photo = ImageOps.contain(photo, (LONGER_SIDE, LONGER_SIDE))
    left, top, right, bottom = seen_area(*photo.size, geometry)
    cells = Image.new("F", (len(scores[0]), len(scores)))
    cells.putdata([score for row in scores for score in row])
    size = right - left, bottom - top
    heat = Image.new("L", photo.size)
    levels = cells.point(lambda value: value * 255 + 0.5).convert("L")
    heat.paste(levels.resize(size, Image.Resampling.BILINEAR), (left, top))
    covered = Image.new("L", photo.size)
    covered.paste(round(255 * STRENGTH), (left, top, right, bottom))
    colors = Image.merge("RGB", [heat.point(curve) for curve in _curves()])
    gray = ImageOps.grayscale(photo).convert("RGB")
    picture = Image.composite(colors, gray, covered)
    return _with_bar(picture)


def _curves():
    """Returns the 256 values of red, green and blue over the scale."""
    return list(zip(*(color_of(i / 255) for i in range(256)), strict=True))


def _with_bar(picture):
    """Puts the scale below a picture; returns a PNG."""
    from PIL import Image, ImageDraw

    width = max(picture.width, 120)
    page = Image.new("RGB", (width, picture.height + BAR), "white")
    page.paste(picture, (0, 0))
    draw = ImageDraw.Draw(page)
    for x in range(width):
        draw.line(
            [(x, picture.height + 4), (x, picture.height + 14)],
            fill=color_of(x / (width - 1)),
        )
    y = picture.height + 17
    draw.text((2, y), "0", fill="black")
    draw.text((width // 2 - 20, y), "score", fill="black")
    draw.text((width - 9, y), "1", fill="black")
    buffer = io.BytesIO()
    page.save(buffer, "PNG")
    return buffer.getvalue()
