"""The embedded transfer problem: drawn sources, and digits as the target.

`letters` are drawn in the fonts that Matplotlib ships, with random size,
rotation, shear, position and blur. `glyphs` and `textures` are sources of the
same size, one nearer to the digits and one farther away. `digits` are the 1797
handwritten digits of 8 x 8 pixels in scikit-learn. None needs a network. Each
is written once as PNG files below the cache folder, so that every later step
sees ordinary files.
"""

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.data.dataset import Example
from tlkeras.data.folder import list_folder
from tlkeras.data.shared_folder import shared_path
from tlkeras.data.textures import draw_textures
from tlkeras.tables import lookup

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DIGIT_NAMES = tuple(str(digit) for digit in range(10))
# Ten lower-case letters that are small capitals give way to printed digits.
GLYPHS = "".join(c for c in LETTERS if c not in "ckopsuvwxz") + "0123456789"
LETTER_SIZE = 32  # pixels
DRAWINGS_PER_LETTER = 500
# Fonts with a Latin alphabet in the usual places (cmex, cmsy have none).
FONT_PATTERNS = (
    "DejaVuSans*",
    "DejaVuSerif*",
    "STIXGeneral*",
    "cm[bmrst][!yu]*",
)
SKIPPED_FONTS = ("DejaVuSansDisplay", "DejaVuSerifDisplay", "cmsy10", "cmex10")


def glyph_name(character: str) -> str:
    """Names a class; upper and lower case differ where case is ignored."""
    kind = "upper" if character.isupper() else "lower"
    return f"{'digit' if character.isdigit() else kind}_{character}"


LETTER_NAMES = tuple(map(glyph_name, LETTERS))
GLYPH_NAMES = tuple(map(glyph_name, GLYPHS))

# (image as uint8 [H, W], class name)
Drawing = tuple[np.ndarray, str]


def font_paths() -> list[Path]:
    """Returns Matplotlib's font files that letters are drawn with, sorted."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = {
        path
        for pattern in FONT_PATTERNS
        for path in folder.glob(f"{pattern}.ttf")
    }
    return sorted(path for path in found if path.stem not in SKIPPED_FONTS)


def draw_letters(
    characters: str = LETTERS,
    *,
    drawings_per_letter: int = DRAWINGS_PER_LETTER,
    seed: int = 0,
) -> Iterator[Drawing]:
    """Yields distorted light-on-dark characters.

    Args:
        characters: What to draw, a class each.
        drawings_per_letter: Of each of them.
        seed: Of the distortions.

    Yields:
        (uint8 [32, 32], class name).
    """
    fonts = font_paths()
    rng = np.random.default_rng(seed)
    for letter in characters:
        for _ in range(drawings_per_letter):
            font = fonts[rng.integers(len(fonts))]
            yield _draw_letter(letter, font, rng), glyph_name(letter)


def _draw_letter(
    letter: str, font: Path, rng: np.random.Generator
) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    side = 2 * LETTER_SIZE
    canvas = Image.new("L", (side, side))
    typeface = ImageFont.truetype(str(font), int(rng.integers(40, 60)))
    ImageDraw.Draw(canvas).text(
        (side / 2, side / 2), letter, fill=255, font=typeface, anchor="mm"
    )
    box = canvas.getbbox() or (0, 0, side, side)
    centre_x, centre_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    angle = math.radians(rng.uniform(-15, 15))
    shear = rng.uniform(-0.3, 0.3)
    extent = max(box[2] - box[0], box[3] - box[1], 8)
    scale = extent / (LETTER_SIZE * rng.uniform(0.75, 1.0))
    a, b = scale * math.cos(angle), scale * (math.sin(angle) + shear)
    d, e = -scale * math.sin(angle), scale * math.cos(angle)
    middle = LETTER_SIZE / 2
    shift_x, shift_y = rng.uniform(-2, 2, size=2)
    drawn = canvas.transform(
        (LETTER_SIZE, LETTER_SIZE),
        Image.Transform.AFFINE,
        (
            a,
            b,
            centre_x - a * (middle + shift_x) - b * (middle + shift_y),
            d,
            e,
            centre_y - d * (middle + shift_x) - e * (middle + shift_y),
        ),
        Image.Resampling.BILINEAR,
    )
    # Half of the letters are as coarse as an 8 x 8 scan.
    if rng.random() < 0.5:
        coarse = int(rng.integers(8, 13))
        drawn = drawn.resize((coarse, coarse), Image.Resampling.BOX).resize(
            (LETTER_SIZE, LETTER_SIZE), Image.Resampling.BILINEAR
        )
    else:
        drawn = drawn.filter(ImageFilter.GaussianBlur(rng.uniform(0.0, 1.2)))
    return np.asarray(drawn, np.uint8)


def read_digits() -> Iterator[Drawing]:
    """Yields scikit-learn's handwritten digits, light on dark.

    Yields:
        (uint8 [8, 8], class name).
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    for image, label in zip(digits.images, digits.target, strict=True):
        yield np.round(image * (255 / 16)).astype(np.uint8), str(label)


BUILTINS: dict[str, Callable[[], Iterator[Drawing]]] = {
    "digits": read_digits,
    "letters": draw_letters,
    "glyphs": lambda: draw_letters(GLYPHS),
    "textures": draw_textures,
}
VERSION = 1  # of the drawings; part of the cache folder's name


def list_builtin(name: str) -> list[Example]:
    """Lists a built-in as examples, writing its files first if need be."""
    make_drawings = lookup(BUILTINS, name, what="built-in data set")
    folder = shared_path("builtin", f"{name}-{VERSION}")
    if not folder.is_dir():
        _write_images(folder, make_drawings())
    return list_folder(folder)


def _write_images(folder: Path, drawings: Iterator[Drawing]) -> None:
    from PIL import Image

    partial = workdir.temporary_beside(folder)
    for number, (image, label) in enumerate(drawings):
        path = partial / label / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    publish_directory(partial, folder)


def publish_directory(partial: Path, final: Path) -> None:
    """Renames a finished folder into place; another process's copy stays."""
    try:
        partial.rename(final)
    except OSError:
        if not final.is_dir():
            raise
        shutil.rmtree(partial)
