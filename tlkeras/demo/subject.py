"""What the page asks of a model, whether it is a run or an exported file."""

import dataclasses
from typing import Protocol

import numpy as np

from tlkeras.evaluation.heat_map import HeatMap
from tlkeras.evaluation.prediction import Prediction


@dataclasses.dataclass(frozen=True)
class SimilarImage:
    """A training image that the network sees as a given one.

    Attributes:
        digest: Hash of its bytes, by which the page shows it.
        labels: Its own, joined by `|`.
        similarity: Of the codes, -1..1.
    """

    digest: str
    labels: str
    similarity: float


@dataclasses.dataclass(frozen=True)
class SeenImage:
    """An image, and where the network sees the classes on it.

    Attributes:
        pixels: uint8 [H, W, 3], upright.
        heat_map: Scores of all classes over it.
    """

    pixels: np.ndarray
    heat_map: HeatMap


class TriedModel(Protocol):
    """A model that can be tried.

    Attributes:
        title: What people call it.
        about: What it is, in a few words.
        class_names: [C] in the order of its scores.
        multi_label: Whether an image may carry several labels.
    """

    title: str
    about: str
    class_names: tuple[str, ...]
    multi_label: bool

    def answer(self, path: str) -> Prediction:
        """Returns what the model says of an image file."""

    def see(self, path: str) -> SeenImage:
        """Returns where it sees the classes.

        Raises:
            InputError: Why it cannot be shown, in a sentence for people.
        """

    def find_similar(self, path: str) -> list[SimilarImage]:
        """Returns the nearest training images, the nearest first.

        Raises:
            InputError: Why there are none, in a sentence for people.
        """
