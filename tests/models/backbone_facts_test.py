"""What is known of a network without building it, held against Keras."""

import os

import keras
import pytest
from keras.src.utils import file_utils

from tlkeras.models.backbone_facts import FACTS
from tlkeras.models.backbones import BACKBONES, build_backbone

from .families import by_cost


def test_every_network_has_its_facts():
    assert list(FACTS) == list(BACKBONES)


@pytest.mark.parametrize("name", by_cost(BACKBONES, ("MobileNet",)))
def test_parameters_and_weights_file_are_those_of_keras(name, monkeypatch):
    asked = []

    def get_file(fname=None, origin=None, **options):
        asked.append(os.path.basename(fname or origin))
        return "nowhere"

    monkeypatch.setattr(file_utils, "get_file", get_file)
    monkeypatch.setattr(keras.Model, "load_weights", lambda *_, **__: None)
    built = build_backbone(name, imagenet=True)
    fact = FACTS[name]
    assert (built.count_params(), asked) == (
        fact.parameters,
        [fact.weights_file],
    )
