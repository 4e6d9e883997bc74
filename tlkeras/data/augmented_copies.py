"""The fixed copies of an image of CNNaug; needs no TensorFlow.

Razavian et al. 2014 (CNN Features off-the-shelf, the CNNaug-SVM) describe each
image by 16 vectors: of the whole image, of its four corners and its centre, of
two rotations, and of the mirror of each; training sees all of them, and at test
the scores of an image's copies are summed. That is followed here. A crop has
two thirds of each side of the framed image, read at a higher resolution. The
angle of the rotations is a choice of ours, and so is that a linear classifier
on standardised codes takes the place of their normalisation and power transform
(`tlkeras probe` measures those by themselves).

Nothing is random: a copy is a function of the image and of its place in
`AUGMENTED_COPIES`, mirrored ones last, so that fewer copies are the first of
more.
"""

import dataclasses

from tlkeras.errors import InputError

CROP_TIMES = 1.5  # sides of the framed image over those of a crop of it
ROTATION_DEGREES = 10.0


@dataclasses.dataclass(frozen=True)
class AugmentedCopy:
    """How a copy shows its image.

    Attributes:
        corner: Of a crop: how far down and how far right it lies, each 0..1;
            None shows the whole image.
        degrees: Rotation about the centre, counter-clockwise.
        is_mirrored: Whether left and right are exchanged, last of all.
    """

    corner: tuple[float, float] | None = None
    degrees: float = 0.0
    is_mirrored: bool = False

    def load_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns the (height, width) at which its image is read, pixels."""
        if self.corner is None:
            return size
        height, width = (round(CROP_TIMES * side) for side in size)
        return height, width


_UNMIRRORED = (
    AugmentedCopy(),
    *(AugmentedCopy(corner=(y, x)) for y in (0.0, 1.0) for x in (0.0, 1.0)),
    AugmentedCopy(corner=(0.5, 0.5)),
    AugmentedCopy(degrees=ROTATION_DEGREES),
    AugmentedCopy(degrees=-ROTATION_DEGREES),
)
AUGMENTED_COPIES = (
    *_UNMIRRORED,
    *(dataclasses.replace(copy, is_mirrored=True) for copy in _UNMIRRORED),
)
# Number of copies -> what they are; others would favour a side of the image.
COPY_COUNTS = {
    1: "the whole image",
    6: "with four corners and the centre",
    8: "with two rotations too",
    16: "with the mirror of each",
}


def require_copies(num_copies: int, *, may_mirror: bool) -> None:
    """Makes sure that so many copies make sense.

    Args:
        num_copies: Of each image.
        may_mirror: Whether a mirrored image still shows its class.

    Raises:
        InputError: If they do not.
    """
    if num_copies not in COPY_COUNTS:
        known = ", ".join(f"{n} ({text})" for n, text in COPY_COUNTS.items())
        raise InputError(
            f"--augmented_copies={num_copies} is no set of copies; expected "
            f"one of {known}."
        )
    shown = AUGMENTED_COPIES[:num_copies]
    if not may_mirror and any(copy.is_mirrored for copy in shown):
        raise InputError(
            f"--augmented_copies={num_copies} mirrors images, and "
            "data.augment.horizontal_flip=False says that a mirrored image "
            f"does not show its class; expected at most {len(_UNMIRRORED)} "
            "copies: lower it, or leave out the other flag."
        )
