"""Healthy pictures that say little: the checks pass, and say so."""

import functools
import io

import numpy as np
import pytest
from PIL import Image

from tlkeras.checks.input_contract import check_input_contract
from tlkeras.data.perceptual_hash import is_same_picture
from tlkeras.models.classifier import build_classifier

SEPIA = np.array([[1.0, 0.8, 0.5]]) * np.array([0.299, 0.587, 0.114])[:, None]


@pytest.fixture
def photos(photo_crops):
    """uint8 [16, 32, 32, 3]."""
    crops = np.concatenate([c[:8] for c in photo_crops.values()])
    return np.stack(
        [np.asarray(Image.fromarray(c).resize((32, 32))) for c in crops]
    )


def only(photos, channel):
    kept = np.zeros_like(photos)
    kept[..., channel] = photos[..., channel]
    return kept


def at_quality(photos, quality):
    images = []
    for photo in photos:
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "JPEG", quality=quality)
        images.append(np.asarray(Image.open(buffer)))
    return np.stack(images)


POOR = {
    "sepia": lambda p: (p @ SEPIA).astype(np.uint8),
    "sepia JPEG": lambda p: at_quality((p @ SEPIA).astype(np.uint8), 60),
    "near flat": lambda p: (p / 20 + 120).astype(np.uint8),
    "tinted grey": lambda p: np.stack(
        [p[..., 0], p[..., 0] // 2 + 40, p[..., 0] // 4], -1
    ),
    "red": lambda p: only(p, 0),
    "green": lambda p: only(p, 1),
    "blue": lambda p: only(p, 2),
    "two stains": lambda p: p * np.array([1, 1, 0], np.uint8),
    "inverted": lambda p: np.stack([p[..., 0], 255 - p[..., 0], p[..., 0]], -1),
}


@functools.cache
def build_once(backbone):
    return build_classifier(
        backbone,
        class_names=("a", "b", "c"),
        weights="none",
        image_size=32,
        alpha=0.25 if backbone == "MobileNet" else 1.0,
    )


@pytest.mark.parametrize("backbone", ["MobileNet", "ResNet50"])
@pytest.mark.parametrize("kind", POOR)
def test_channels_that_tell_no_order_are_no_fault(photos, kind, backbone):
    pixels = POOR[kind](photos)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, pixels.shape)  # another decoder's
    images = np.clip(pixels + noise, 0, 255).round().astype(np.uint8)
    classifier = build_once(backbone)
    result = check_input_contract(classifier, images, pixels)
    assert result.verdict == "pass", result
    assert "order cannot be told" in result.message
    # Other faults are seen all the same.
    scaled = check_input_contract(classifier, images / 255, pixels)
    assert scaled.verdict == "fail"


def save(path, pixels):
    Image.fromarray(pixels).save(path)
    return str(path)


@pytest.fixture
def large(photo_crops):
    """uint8 [8, 48, 64, 3], different pictures."""
    return np.concatenate([crops[:4] for crops in photo_crops.values()])


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_pictures_in_one_channel_are_compared_in_it(tmp_path, large, channel):
    pictures = only(large, channel)
    files = [
        save(tmp_path / f"{number}.png", picture)
        for number, picture in enumerate(pictures)
    ]
    found = 0
    for number, first in enumerate(files):
        for second in files[number + 1 :]:
            assert not is_same_picture(first, second)
        copy = str(tmp_path / f"copy-{number}.png")
        with Image.open(first) as picture:
            picture.resize((96, 72)).save(copy)
        found += is_same_picture(first, copy)
    assert found >= 6  # others show too little in this channel


def test_a_picture_and_one_of_its_channels_are_two(tmp_path, large):
    whole = save(tmp_path / "whole.png", large[0])
    for channel in range(3):
        part = save(tmp_path / f"{channel}.png", only(large, channel)[0])
        assert not is_same_picture(whole, part)


@pytest.mark.parametrize("channel", range(3))
def test_bright_pictures_in_one_channel_are_not_all_one(tmp_path, channel):
    """As brightfield through one filter: a bright ground, weak structures."""
    files = []
    for seed in range(4):
        coarse = np.random.default_rng(seed).integers(140, 200, (8, 8))
        picture = np.zeros((96, 96, 3), np.uint8)
        picture[..., channel] = Image.fromarray(coarse.astype(np.uint8)).resize(
            (96, 96)
        )
        files.append(save(tmp_path / f"{seed}.png", picture))
    for number, first in enumerate(files):
        for second in files[number + 1 :]:
            assert not is_same_picture(first, second)
