"""The built-in data sets as TensorFlow Datasets builders.

`tfds:tlkeras_digits` and `tfds:tlkeras_letters` go through the same TFDS code
as any catalogue data set, without a network.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tlkeras.data import builtin

# Of one example: `image`, uint8 [H, W, 1], and `label`, its class name.
Features = dict[str, np.ndarray | str]


class _DrawingsBuilder(  # type: ignore[call-arg]
    tfds.core.GeneratorBasedBuilder, skip_registration=True
):
    """Writes a built-in's drawings as one TFDS split, `train`."""

    VERSION = tfds.core.Version("1.0.0")
    builtin_name = ""
    labels: tuple[str, ...] = ()

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description=builtin.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(None, None, 1)),
                    "label": tfds.features.ClassLabel(names=self.labels),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(
        self, dl_manager: Any
    ) -> dict[str, Iterator[tuple[int, Features]]]:
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, Features]]:
        drawings = builtin.BUILTINS[self.builtin_name]()
        for number, (image, label) in enumerate(drawings):
            yield number, {"image": image[..., None], "label": label}


class TlkerasDigits(_DrawingsBuilder):
    """scikit-learn's handwritten digits: 1797 images of 8 x 8 pixels."""

    builtin_name = "digits"
    labels = builtin.DIGIT_NAMES


class TlkerasLetters(_DrawingsBuilder):
    """Printed letters in Matplotlib's fonts: 26 000 images of 32 x 32."""

    builtin_name = "letters"
    labels = builtin.LETTER_NAMES
