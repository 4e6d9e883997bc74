"""A worker: from the files of a task to the rows of its shard.

Imports no Keras, and TensorFlow only where the engine or a rare format of
images needs it.
"""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tlkeras.data.contents import read_content
from tlkeras.data.decode_numpy import UndecodableError, decode_contents
from tlkeras.data.decoding import is_refusal
from tlkeras.data.inspection import digest_of
from tlkeras.features.bundle import open_bundle
from tlkeras.features.image_probe import find_aborting
from tlkeras.features.layout import STORAGE
from tlkeras.features.shard_index import Key
from tlkeras.features.task_folder import TaskFolder
from tlkeras.features.tasks import (
    BadImage,
    ShardRecord,
    ShardTask,
    TaskImage,
)

ALONE_AT = 3  # attempt, before which each image is decoded alone in a child


class ShardWorker:
    """Runs tasks with one engine.

    Args:
        bundle: Directory of the bundle.
        folder: Of the tasks.

    Raises:
        InputError: If the bundle cannot be used here.
    """

    def __init__(self, bundle: Path, folder: TaskFolder) -> None:
        self.bundle, self.engine = open_bundle(bundle)
        self.folder = folder

    def run(self, task: ShardTask) -> ShardRecord:
        """Computes the rows of a task and commits them, unless that was done.

        Args:
            task: Its images.

        Returns:
            The record that counts, which may be another worker's.
        """
        done = self.folder.find(task.name)
        if done is not None:
            return done
        with self.folder.attempt(task.name) as number:
            begun = time.process_time()
            images, bad = task.images, list[BadImage]()
            if number >= ALONE_AT:
                images, bad = self._without_aborting(images)
            keys, rows = self._compute(images, bad)
            seconds = time.process_time() - begun
            record = ShardRecord(task.name, tuple(keys), tuple(bad), seconds)
            return self.folder.commit(record, rows)

    def _without_aborting(
        self, images: tuple[TaskImage, ...]
    ) -> tuple[tuple[TaskImage, ...], list[BadImage]]:
        found = find_aborting(
            [image.file for image in images],
            self.bundle.image_size,
            self.bundle.pixels,
        )
        bad = [
            BadImage(images[row].path, images[row].digest, reason, True)
            for row, reason in found.items()
        ]
        rest = (image for n, image in enumerate(images) if n not in found)
        return tuple(rest), bad

    def _compute(
        self, images: tuple[TaskImage, ...], bad: list[BadImage]
    ) -> tuple[list[Key], np.ndarray]:
        """Returns keys and rows [n, values]; adds to what is bad."""
        layout = self.bundle.layout
        dtype = STORAGE[layout.storage]
        keys, parts = [], [np.empty((0, layout.values), dtype)]
        for batch in self._batches(images, bad):
            pixels = np.stack([image for _, image in batch])
            parts.append(layout.pack(self.engine.run(pixels)))
            keys += [image.key for image, _ in batch]
        return keys, np.concatenate(parts)

    def _batches(
        self, images: tuple[TaskImage, ...], bad: list[BadImage]
    ) -> Iterator[list[tuple[TaskImage, np.ndarray]]]:
        """Yields full batches of good images, and the rest."""
        batch: list[tuple[TaskImage, np.ndarray]] = []
        for image in images:
            pixels = self._read(image)
            if isinstance(pixels, BadImage):
                bad.append(pixels)
                continue
            batch.append((image, pixels))
            if len(batch) == self.engine.batch_size:
                yield batch
                batch = []
        if batch:
            yield batch

    def _read(self, image: TaskImage) -> np.ndarray | BadImage:
        """Returns pixels uint8 [S, S, 3], or why there are none."""
        listed = BadImage(image.path, image.digest, "", False)
        try:
            content = read_content(image.file)
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
            return dataclasses.replace(listed, reason=reason)
        if image.file == image.path and digest_of(content) != image.digest:
            reason = "has changed since it was scanned"
            return dataclasses.replace(listed, reason=reason)
        side = self.bundle.image_size
        try:
            (pixels,) = decode_contents(
                [content], (side, side), self.bundle.pixels
            )
        except Exception as error:
            # What lacks TensorFlow here is no verdict about an image.
            if isinstance(error, UndecodableError) or not is_refusal(error):
                raise
            reason = f"cannot be decoded ({type(error).__name__})"
            return dataclasses.replace(listed, reason=reason, is_final=True)
        return pixels
