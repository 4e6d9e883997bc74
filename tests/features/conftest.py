"""A small frozen prefix and readers of real JPEGs."""

import numpy as np
import pytest

from tlkeras.console import Console
from tlkeras.data.augmentation import Augmentation
from tlkeras.data.load import load_dataset
from tlkeras.data.reader import ViewReader
from tlkeras.data.views import Views
from tlkeras.features.frozen import FeatureSettings, FrozenPrefix
from tlkeras.models.classifier import build_classifier
from tlkeras.models.graph import topological_layers
from tlkeras.models.split import split_classifier

SIZE = (32, 32)


class Lines(Console):
    """A console that remembers its lines."""

    def __init__(self):
        super().__init__(quiet=True)
        self.lines = []

    def line(self, text):
        self.lines.append(text)

    @property
    def text(self):
        return "\n".join(self.lines)


@pytest.fixture(scope="session")
def photo_split(photo_folder):
    return load_dataset(str(photo_folder)).splits["train"]


@pytest.fixture(scope="session")
def letters_classifier():
    return build_classifier(
        "MobileNet",
        class_names=("china", "flower"),
        weights="letters",
        image_size=32,
        alpha=0.25,
    )


@pytest.fixture
def make_prefix(photo_split, letters_classifier, tmp_path, monkeypatch):
    """Builds frozen prefixes over a cache folder of the test's own."""
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))

    def make(
        *,
        classifier=letters_classifier,
        cut="middle",
        views=None,
        console=None,
        train=photo_split,
        **settings,
    ):
        names = [x.name for x in topological_layers(classifier.backbone)]
        number = len(names) if cut == "top" else len(names) // 2
        parts = split_classifier(classifier, number)
        return FrozenPrefix(
            parts.prefix,
            train,
            lambda split, shown: ViewReader(split, SIZE, shown),
            views or Views(None, None, seed=3),
            FeatureSettings(**{"num_workers": 2, **settings}),
            console or Lines(),
        )

    return make


@pytest.fixture
def augmented_views():
    return Views(Augmentation(), 3, seed=3)


def assert_equal_tensors(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
