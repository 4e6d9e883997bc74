"""Test-time views: a finished network asked about several views of an image.

The answer is the mean of the probabilities over the views. Mirrored views and
larger ones can be had without training anew; each costs as much as an image of
its size does.

References:
    Krizhevsky et al., ImageNet Classification with Deep CNNs, 2012, section
    4.1 (mirrored crops, softmax averaged).
    Simonyan and Zisserman, Very Deep Convolutional Networks, 2015, section 3.2
    (several sizes).
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import keras
import numpy as np

from tlkeras.errors import InputError
from tlkeras.evaluation.calibration import Calibration
from tlkeras.models.cells import find_backbone, find_stride
from tlkeras.models.dense import resize_classifier
from tlkeras.models.graph import num_multiplications, topological_layers
from tlkeras.models.inference import run_batches
from tlkeras.optim.losses import Loss
from tlkeras.tables import lookup

NUM_LARGER = 2  # sizes beside the run's own
SIZE_STEP = 0.2  # of the own side, from one size to the next

# Side of images, pixels -> batches of them, uint8 [n, S, S, 3].
ReadAtSize = Callable[[int], Iterable[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class ImageView:
    """How an image is shown to a finished network.

    Attributes:
        steps: By how many steps it is larger than in training.
        is_mirrored: Whether left and right are exchanged.
    """

    steps: int = 0
    is_mirrored: bool = False

    def show(self, images: np.ndarray) -> np.ndarray:
        """Returns images [n, S, S, 3] of the view's size as it shows them."""
        return images[:, :, ::-1] if self.is_mirrored else images


PLAIN = ImageView()
_MIRRORED = ImageView(is_mirrored=True)
_SIZES = tuple(ImageView(steps) for steps in range(NUM_LARGER + 1))
NONE = "none"  # the variant that the others are compared with
# What --tta asks for -> the views whose answers are averaged.
VIEW_VARIANTS = {
    NONE: (PLAIN,),
    "flip": (PLAIN, _MIRRORED),
    "scales": _SIZES,
    "flip+scales": (
        *_SIZES,
        *(dataclasses.replace(view, is_mirrored=True) for view in _SIZES),
    ),
}


def variants_within(variant: str) -> list[str]:
    """Returns the variants that need no view besides those of one of them.

    Example:
    >>> variants_within("flip")
    ['none', 'flip']
    """
    views = set(lookup(VIEW_VARIANTS, variant, what="--tta"))
    return [name for name, own in VIEW_VARIANTS.items() if views >= set(own)]


def view_sizes(image_size: int, stride: int) -> tuple[int, ...]:
    """Returns the side at each number of steps, pixels.

    The next ones are multiples of the stride, about a fifth of the own side
    apart: in training, random crops show things larger than they are, and a
    network answers best where they look as they did then.

    Args:
        image_size: Of training.
        stride: Of the backbone.

    Reference:
        Touvron et al., Fixing the train-test resolution discrepancy, 2019.

    Example:
    >>> view_sizes(160, 32), view_sizes(224, 32), view_sizes(32, 16)
    ((160, 192, 224), (224, 256, 288), (32, 48, 64))
    """
    step = max(round(SIZE_STEP * image_size / stride), 1) * stride
    first = image_size - image_size % stride
    larger = (first + step * count for count in range(1, NUM_LARGER + 1))
    return (image_size, *larger)


class MultiViewClassifier:
    """A classifier at the sizes of the views of a variant.

    Args:
        model: As a run keeps it: float32 [N, S, S, 3] in 0..255 -> logits
            [N, C].
        variant: Key of `VIEW_VARIANTS`.
        may_mirror: Whether a mirrored image still shows its class.

    Raises:
        InputError: If there is no such variant, mirroring changes classes, or
            the network cannot take a size.
    """

    def __init__(
        self, model: keras.Model, variant: str, *, may_mirror: bool
    ) -> None:
        self.views = lookup(VIEW_VARIANTS, variant, what="--tta")
        if not may_mirror and any(view.is_mirrored for view in self.views):
            raise InputError(
                f"--tta={variant} mirrors images, and the run was trained with "
                "data.augment.horizontal_flip=False, which says that a "
                "mirrored image does not show its class; expected none or "
                "scales: choose one of them."
            )
        sizes = view_sizes(model.inputs[0].shape[1], find_stride(model))
        self._sizes = {view.steps: sizes[view.steps] for view in self.views}
        self._networks = {
            steps: resize_classifier(model, size) if steps else model
            for steps, size in self._sizes.items()
        }

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sides of the images that it asks for, pixels, the own one first."""
        return tuple(self._sizes.values())

    def compute_logits(self, read: ReadAtSize) -> dict[ImageView, np.ndarray]:
        """Returns what the network says of each view.

        Args:
            read: Gives all images at a size, in batches; called once a view.

        Returns:
            View -> float32 [N, C].
        """
        return {
            view: run_batches(
                self._networks[view.steps],
                map(view.show, read(self._sizes[view.steps])),
            )
            for view in self.views
        }

    def compute_cost(self, views: Sequence[ImageView]) -> float:
        """Returns multiplications of views over those of the plain one."""
        work = {
            steps: sum(
                num_multiplications(layer)
                for layer in topological_layers(find_backbone(network))
            )
            for steps, network in self._networks.items()
        }
        return sum(work[view.steps] for view in views) / work[PLAIN.steps]


def average_views(
    answers: Mapping[ImageView, np.ndarray],
    views: Sequence[ImageView],
    *,
    loss: Loss,
    calibration: Calibration,
) -> np.ndarray:
    """Returns logits whose probabilities are the mean over views.

    Margins that were not calibrated are no probabilities: they are averaged
    themselves. One view is left as it is, bit by bit.

    Args:
        answers: View -> logits [N, C] as served.
        views: Which of them.
        loss: That the network was trained with.
        calibration: That its logits have already.

    Returns:
        float [N, C].
    """
    if len(views) == 1:
        return answers[views[0]]
    logits = np.stack([answers[view].astype(np.float64) for view in views])
    if not loss.is_log_loss and calibration.is_identity:
        return logits.mean(0)
    return loss.average(logits)
