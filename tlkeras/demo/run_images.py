"""The images of a run, as long as they are where they were."""

import dataclasses
import functools
import threading
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras.data.dataset import Dataset
from tlkeras.data.definition import configured_definition
from tlkeras.evaluation.run_data import load_again
from tlkeras.report.thumbnails import encode_small

THUMBNAIL_SIDE = 480  # pixels


@dataclasses.dataclass(frozen=True)
class RunImage:
    """An image of a run.

    Attributes:
        digest: Hash of its bytes.
        path: Where it lies.
        split: Of the run.
        labels: In this run, joined by `|`.
    """

    digest: str
    path: str
    split: str
    labels: str


class RunImages:
    """Reads the images of a run when they are first asked for.

    Args:
        config: Of the run.
        directory: Of the run.
        class_names: [C], as the run knows them.
    """

    def __init__(
        self, config: ConfigDict, directory: Path, class_names: tuple[str, ...]
    ) -> None:
        self._config = config
        self._directory = directory
        self._class_names = class_names
        self._lock = threading.Lock()
        self._dataset: Dataset | None = None

    @property
    def dataset(self) -> Dataset:
        """The run's data, in its splits.

        Raises:
            InputError: If it is gone, or has other classes.
        """
        with self._lock:
            if self._dataset is None:
                self._dataset = load_again(
                    self._config, self._directory, self._class_names
                )
            return self._dataset

    @functools.cached_property
    def by_digest(self) -> dict[str, RunImage]:
        """Digest -> image.

        Raises:
            InputError: As `dataset`.
        """
        return {
            digest: RunImage(digest, path, name, labels)
            for name, split in self.dataset.splits.items()
            for digest, path, labels in zip(
                split.digests,
                split.paths,
                split.label_names(self._class_names),
                strict=True,
            )
        }

    @functools.cached_property
    def by_path(self) -> dict[str, RunImage]:
        """Path -> image; see `by_digest`."""
        return {image.path: image for image in self.by_digest.values()}

    def make_thumbnail(self, digest: str) -> bytes:
        """Returns an image of the run as a small JPEG.

        Args:
            digest: Of one of its images; no other file is ever read.

        Returns:
            Empty if it is none of the run's, is gone or cannot be decoded.

        Raises:
            InputError: As `dataset`.
        """
        image = self.by_digest.get(digest)
        if image is None:
            return b""
        return encode_small(
            image.path,
            is_upright=configured_definition(self._config).is_upright,
            side=THUMBNAIL_SIDE,
        )
