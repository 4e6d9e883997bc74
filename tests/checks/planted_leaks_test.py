"""An image that is in two splits is found, in whatever bytes."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tlkeras.checks.split_leaks import check_near_duplicates, check_split_leaks
from tlkeras.data.load import load_dataset


@pytest.fixture
def split_folder(tmp_path):
    """A folder with train/ and test/ of different parts of two photos."""
    from sklearn.datasets import load_sample_image

    for name in ("china", "flower"):
        photo = load_sample_image(f"{name}.jpg")
        parts = [
            photo[top : top + 100, left : left + 150]
            for top in range(0, 400, 100)
            for left in range(0, 600, 150)
        ]
        for number, part in enumerate(parts):
            folder = tmp_path / ("test" if number % 3 == 2 else "train") / name
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(part).save(folder / f"{number}.jpg", quality=92)
    return tmp_path


def test_different_photos_of_a_class_are_no_duplicates(split_folder):
    dataset = load_dataset(str(split_folder))
    assert check_split_leaks(dataset).verdict == "pass"
    assert check_near_duplicates(dataset).verdict == "pass"


def test_the_same_photo_in_train_and_test_is_caught(split_folder):
    photo = (split_folder / "train/china/0.jpg").read_bytes()
    (split_folder / "test/china/copy.jpg").write_bytes(photo)
    dataset = load_dataset(str(split_folder))
    result = check_split_leaks(dataset)
    assert result.verdict == "warn"
    assert "left out of one" in result.message
    assert "copy.jpg" not in result.message  # the held-out copy stays


@pytest.mark.parametrize(
    ("scale", "settings"),
    [
        (1.0, {"format": "JPEG", "quality": 40}),
        (1.0, {"format": "PNG"}),
        (1.5, {"format": "JPEG", "quality": 90}),
        (0.75, {"format": "WEBP", "quality": 80}),
    ],
)
def test_a_copy_in_other_bytes_is_caught(scale, settings, split_folder):
    with Image.open(split_folder / "train/flower/3.jpg") as photo:
        size = tuple(round(side * scale) for side in photo.size)
        content = io.BytesIO()
        photo.resize(size).save(content, **settings)
    (split_folder / "test/flower/copy.jpg").write_bytes(content.getvalue())
    result = check_near_duplicates(load_dataset(str(split_folder)))
    assert result.verdict == "fail"
    assert result.value == 1
    assert "train/flower/3.jpg" in result.message
    assert "test/flower/copy.jpg" in result.message


def test_what_was_not_compared_is_said(split_folder, monkeypatch):
    import tlkeras.data.perceptual_hash as perceptual_hash

    dataset = load_dataset(str(split_folder))
    monkeypatch.setattr(perceptual_hash, "MAX_PAIRS", 66)
    monkeypatch.setattr(perceptual_hash, "MAX_BITS", 64)
    monkeypatch.setattr(perceptual_hash, "MAX_VERIFIED", 1)
    message = check_near_duplicates(dataset).message
    assert "of test, 3 were drawn" in message
    assert "pairs of train and test that are less alike" in message


def test_tiny_pictures_are_not_compared(tmp_path):
    digits = load_digits()
    for row in range(60):
        folder = tmp_path / str(digits.target[row])
        folder.mkdir(exist_ok=True)
        pixels = (digits.images[row] * 15).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{row}.png")
    result = check_near_duplicates(load_dataset(str(tmp_path)))
    assert result.verdict == "skip"
