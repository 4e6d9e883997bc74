"""Sets of images in which copies of training images lie in the test split."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

IMAGES = (".jpg", ".jpeg", ".png")
TEST_SHARE = 0.3
COPY = "copy_of_"  # begins the name of a copy


def crop(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Keeps 80-95 % of each side, anywhere."""
    kept = rng.uniform(0.8, 0.95, 2) * np.array(image.size)
    left, top = rng.uniform(0, 1, 2) * (image.size - kept)
    box = [left, top, left + kept[0], top + kept[1]]
    return image.crop(tuple(np.round(box).astype(int).tolist()))


def shift(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Moves by 3-10 % of each side; the edge is repeated."""
    pixels = np.asarray(image)
    for axis in (0, 1):
        side = pixels.shape[axis]
        by = round(rng.uniform(0.03, 0.1) * side) * rng.choice((-1, 1))
        rows = np.clip(np.arange(side) + by, 0, side - 1)
        pixels = pixels.take(rows, axis)
    return Image.fromarray(pixels)


def flip(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Swaps left and right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def brighten(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Multiplies by .6 to .85, or by 1.15 to 1.4."""
    by = 1 + rng.choice((-1, 1)) * rng.uniform(0.15, 0.4)
    return ImageEnhance.Brightness(image).enhance(by)


def encode_again(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Changes the size to 60-150 %, and compresses strongly."""
    by = rng.uniform(0.6, 1.5)
    small = image.resize([max(32, round(side * by)) for side in image.size])
    content = io.BytesIO()
    small.save(content, "JPEG", quality=int(rng.integers(40, 80)))
    return Image.open(content)


CHANGES: dict[
    str, Callable[[Image.Image, np.random.Generator], Image.Image]
] = {
    "crop": crop,
    "shift": shift,
    "flip": flip,
    "brightness": brighten,
    "encoding": encode_again,
}


def plant_copies(source: Path, folder: Path, num_copies: int) -> None:
    """Writes train/ and test/ of a set, with copies of train/ in test/.

    Args:
        source: Folders of classes, below folders of splits or not.
        folder: To write.
        num_copies: Of as many images; of each change the same number.
    """
    rng = np.random.default_rng(0)
    files = sorted(p for p in source.rglob("*") if p.suffix.lower() in IMAGES)
    order = rng.permutation(len(files))
    for rank, place in enumerate(order):
        file = files[place]
        held = rank >= num_copies + (1 - TEST_SHARE) * (len(files) - num_copies)
        target = folder / ("test" if held else "train") / file.parent.name
        target.mkdir(parents=True, exist_ok=True)
        (target / file.name).write_bytes(file.read_bytes())
        if rank < num_copies:
            name, change = list(CHANGES.items())[rank % len(CHANGES)]
            copy = change(Image.open(file).convert("RGB"), rng)
            target = folder / "test" / file.parent.name
            target.mkdir(parents=True, exist_ok=True)
            copy.save(target / f"{COPY}{name}_{file.stem}.jpg", quality=85)


def change_of(first: str, second: str) -> str:
    """Returns which change made one file of the other; "" = none did."""
    for a, b in ((Path(first), Path(second)), (Path(second), Path(first))):
        for name in CHANGES:
            if a.stem == f"{COPY}{name}_{b.stem}":
                return name
    return ""
