"""What live augmentation does; `augment.py` does it."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """What is done to training images; see `config/defaults.py` for units."""

    load_scale: float = 1.15
    crop_area: Sequence[float] = (0.5, 1.0)
    crop_aspect: Sequence[float] = (0.75, 4 / 3)
    horizontal_flip: bool = True
    rotation_degrees: float = 0.0
    randaugment_layers: int = 0
    randaugment_magnitude: float = 9.0
    erasing_probability: float = 0.0
    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0

    def __post_init__(self) -> None:
        # Lists, as from JSON, would make the spec unhashable.
        for name in ("crop_area", "crop_aspect"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @property
    def mixes_images(self) -> bool:
        """Whether several images are combined into one (MixUp, CutMix)."""
        return self.mixup_alpha > 0 or self.cutmix_alpha > 0

    def load_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Returns the (height, width) at which images are loaded, pixels."""
        height, width = (round(side * self.load_scale) for side in size)
        return height, width
