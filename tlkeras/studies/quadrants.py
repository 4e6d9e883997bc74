"""The four quadrants of the lectures: how many images, and how similar.

Reference:
    CS231n, Transfer Learning, "When and how to fine-tune?"; Snavely, CS5670,
    Training convolutional networks, the table of transfer.
"""

import dataclasses

SMALL, MEDIUM, LARGE = "small", "medium", "large"
SIMILAR, BETWEEN, DIFFERENT = "similar", "in between", "different"
# Of `models.source_distance`; set on clothing (.05), signs (.24), blood cells,
# omniglot and digits (.41 .. .52) with MobileNetV2: docs/measurements.md.
SIMILAR_BELOW = 0.2
DIFFERENT_ABOVE = 0.35
# Training images per class. The lectures name no number.
SMALL_BELOW = 300
LARGE_FROM = 1000

# In the order of how much of the network they change.
RECIPES = {
    "top": "a linear classifier on the top",
    "earlier": "a linear classifier on an earlier layer",
    "few": "fine-tuning the last stage",
    "all": "fine-tuning everything",
}


@dataclasses.dataclass(frozen=True)
class Rule:
    """What the lectures say of one quadrant.

    Attributes:
        recipe: Key of `RECIPES`.
        sentence: Theirs.
    """

    recipe: str
    sentence: str


QUADRANTS = {
    (SMALL, SIMILAR): Rule(
        "top",
        "very little data, similar to the source: train a linear classifier "
        "on the codes of the top",
    ),
    (SMALL, DIFFERENT): Rule(
        "earlier",
        "very little data, different from the source: train a linear "
        "classifier on activations from somewhere earlier in the network",
    ),
    (LARGE, SIMILAR): Rule(
        "few",
        "a lot of data, similar to the source: fine-tune a few layers",
    ),
    (LARGE, DIFFERENT): Rule(
        "all",
        "a lot of data, different from the source: fine-tune a larger number "
        "of layers; starting from pretrained weights is usually still better "
        "than from scratch",
    ),
}


def read_distance(distance: float) -> str:
    """Returns how similar a distance to the source is.

    Example:
    >>> read_distance(0.05), read_distance(0.3), read_distance(0.5)
    ('similar', 'in between', 'different')
    """
    if distance < SIMILAR_BELOW:
        return SIMILAR
    return DIFFERENT if distance > DIFFERENT_ABOVE else BETWEEN


def read_size(images_per_class: float) -> str:
    """Returns how much a number of training images per class is.

    Example:
    >>> read_size(100), read_size(500), read_size(5000)
    ('small', 'medium', 'large')
    """
    if images_per_class < SMALL_BELOW:
        return SMALL
    return LARGE if images_per_class >= LARGE_FROM else MEDIUM


def find_quadrant(
    size: str,
    similarity: str | None,
    *,
    still_rises: bool,
    earlier_is_better: bool,
) -> tuple[str, str]:
    """Returns the quadrant, a key of `QUADRANTS`.

    What lies on a border is decided by what was measured: a set whose learning
    curve still rises is small, and one that an earlier layer knows better than
    the top is different.

    Args:
        size: From `read_size`.
        similarity: From `read_distance`; None = it could not be measured.
        still_rises: Whether the last doubling of the images helped.
        earlier_is_better: Whether an earlier layer beats the top.
    """
    if size == MEDIUM:
        size = SMALL if still_rises else LARGE
    if similarity in (None, BETWEEN):
        similarity = DIFFERENT if earlier_is_better else SIMILAR
    assert similarity is not None
    return size, similarity
