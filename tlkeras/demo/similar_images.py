"""The training images whose codes are nearest to those of another image."""

import keras
import numpy as np

from tlkeras.console import Console
from tlkeras.data.decoding import decode_contents
from tlkeras.demo.run_images import RunImages
from tlkeras.demo.subject import SimilarImage
from tlkeras.errors import InputError
from tlkeras.evaluation.prediction import read_file
from tlkeras.evaluation.run import Run
from tlkeras.features.neighbours import comparable, find_nearest
from tlkeras.models.heads import LOGITS
from tlkeras.models.inference import run_batches
from tlkeras.training.prefixes import open_prefix

NUM_SIMILAR = 5
MAX_IMAGES_SEARCHED = 100_000  # of more training images, so many are drawn


class SimilarImages:
    """Compares images by what the run's last layer is given.

    The codes of the training images are cached below the cache folder: the
    second call of any process reads them.

    Args:
        run: Whose network gives the codes.
        images: Of that run.
        console: For progress.

    Raises:
        InputError: If the images are gone.
    """

    def __init__(self, run: Run, images: RunImages, console: Console) -> None:
        self._run = run
        self._images = images.by_digest
        train = images.dataset.splits["train"]
        self._train = train.draw(MAX_IMAGES_SEARCHED, run.config.seed)
        self._network = keras.Model(
            run.model.inputs[0], run.model.get_layer(LOGITS).input, name="codes"
        )
        prefix = open_prefix(self._network, self._train, run.config, console)
        (codes,) = prefix.activations(
            self._train, prefix.plain, what="codes of the training images"
        ).all_rows()
        self._codes = comparable(codes)

    def find(self, path: str) -> list[SimilarImage]:
        """Returns the nearest training images, the nearest first.

        Args:
            path: Of an image file.

        Raises:
            InputError: If it is no image.
        """
        definition = self._run.image_definition
        content, problem = read_file(path, definition)
        if problem:
            raise InputError(f"The image {problem}; expected a whole one.")
        side = self._run.image_size
        images = decode_contents([content], (side, side), definition)
        codes = comparable(run_batches(self._network, [images]))
        places, similarities = find_nearest(codes, self._codes, NUM_SIMILAR)
        return [
            SimilarImage(
                digest := self._train.digests[place],
                self._images[digest].labels,
                float(np.clip(similarity, -1, 1)),
            )
            for place, similarity in zip(
                places[0].tolist(), similarities[0].tolist(), strict=True
            )
        ]
