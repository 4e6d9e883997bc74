"""Similarity to the source, with real weights and real photos."""

import pytest

from tlkeras.config import get_config
from tlkeras.console import Console
from tlkeras.data.load import load_configured
from tlkeras.studies.similarity import measure_similarity
from tlkeras.training.build import build_from_config, set_up_model


def read_similarity(config):
    set_up_model(config)
    dataset = load_configured(config)
    classifier = build_from_config(config, dataset)
    found = measure_similarity(
        config, classifier, dataset.splits["train"], Console(quiet=True)
    )
    return found.as_dict()


def letters_config(source):
    config = get_config()
    config.data.source = str(source)
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.weights = "letters"
    config.model.image_size = 32
    return config


def test_digits_are_similar_to_letters():
    digits = read_similarity(letters_config("digits"))
    assert 0.02 < digits["distance"] < 0.2
    assert digits["reading"] == "similar"


@pytest.mark.slow  # draws 26 000 images
def test_letters_are_their_networks_own():
    assert read_similarity(letters_config("letters"))["distance"] < 0.02


@pytest.mark.assets
def test_photos_are_different_for_the_network_of_letters(assets):
    photos = assets / "datasets" / "clothing"
    assert read_similarity(letters_config(photos))["reading"] == "different"


@pytest.mark.assets
@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("clothing", "similar"),
        pytest.param("blood_cells", "different", marks=pytest.mark.slow),
        pytest.param("omniglot", "different", marks=pytest.mark.slow),
    ],
)
def test_photos_are_similar_to_imagenet_and_cells_and_drawings_not(
    assets, clothing_config, name, reading
):
    config = clothing_config
    config.data.source = str(assets / "datasets" / name)
    assert read_similarity(config)["reading"] == reading
