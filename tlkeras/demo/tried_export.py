"""An exported model to try: what will be served is what is tried."""

import threading
import zipfile
from pathlib import Path

from tlkeras import workdir
from tlkeras.data.decoding import decode_contents
from tlkeras.data.definition import ImageDefinition
from tlkeras.demo.subject import SeenImage, SimilarImage, TriedModel
from tlkeras.errors import InputError, quote
from tlkeras.evaluation.heat_map import HeatMap
from tlkeras.evaluation.prediction import (
    Prediction,
    as_prediction,
    read_file,
)
from tlkeras.exporters.runners import Runner, SavedModelRunner, TfliteRunner
from tlkeras.exporters.tflite_metadata import read_definition, read_labels
from tlkeras.exporters.version_files import GRAPH, MODEL_INFO
from tlkeras.optim.losses import LOSSES, compute_probabilities
from tlkeras.studies.heatmaps import read_whole

TFLITE_SUFFIX = ".tflite"


class TriedExport(TriedModel):
    """Answers as the exported file does.

    Args:
        path: A SavedModel, a folder of versions of one, of which the latest is
            taken, or a .tflite file.

    Raises:
        InputError: If it is none that `tlkeras export` wrote.
    """

    def __init__(self, path: Path) -> None:
        # An interpreter serves one thread.
        self._running = threading.Lock()
        self._runner: Runner
        if path.suffix == TFLITE_SUFFIX:
            self._open_tflite(path)
        else:
            self._open_saved_model(_find_version(path))
        self.about += f" at {self._size} px, {len(self.class_names)} classes"

    def _open_tflite(self, path: Path) -> None:
        try:
            content = path.read_bytes()
            self.class_names = tuple(read_labels(content))
            self._definition = ImageDefinition(**read_definition(content))
            runner = TfliteRunner(path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise _refuse(path, quote(error)) from None
        self._runner, self._size = runner, runner.image_size
        # Nothing in such a file says whether an image may carry several.
        self.multi_label = False
        self.title, self.about = path.name, "exported for LiteRT"

    def _open_saved_model(self, path: Path) -> None:
        info = workdir.read_json(path / MODEL_INFO)
        with workdir.reading(path / MODEL_INFO):
            self.class_names = tuple(info["classes"])
            self.multi_label = bool(info["multi_label"])
            self._size = int(info["image_size"])
            self._definition = ImageDefinition(**info["image_definition"])
            self.title = f"{info['name']}, version {info['version']}"
        self.about = f"exported SavedModel, {quote(info.get('backbone', ''))}"
        self._runner = SavedModelRunner(path)

    def answer(self, path: str) -> Prediction:
        """Returns what the file says of an image."""
        try:
            content, problem = read_file(path, self._definition)
            if problem:
                return Prediction(path, "", 0.0, (), problem)
            side = self._size
            images = decode_contents([content], (side, side), self._definition)
            with self._running:
                (scores,) = self._runner.run([content], images)
        except Exception as error:  # the decoders' and runtimes' many kinds
            problem = f"cannot be decoded ({type(error).__name__})"
            return Prediction(path, "", 0.0, (), problem)
        return as_prediction(path, scores, self.class_names)

    def see(self, path: str) -> SeenImage:
        """Returns the maps of the file's own signature, where it has one."""
        image, problem = read_whole(path, self._definition)
        if image is None:
            raise InputError(f"The image {problem}; expected a whole one.")
        with self._running:
            maps = self._runner.class_maps([image.content])
        if maps is None:
            raise InputError(
                "This file gives no heat map; expected a SavedModel whose head "
                "sees cells, or the run: tlkeras demo --workdir=RUN."
            )
        loss = LOSSES["binary" if self.multi_label else "softmax"]
        height, width = image.pixels.shape[:2]
        heat_map = HeatMap.of_input(
            compute_probabilities(maps[0], loss),
            (width, height),
            side=self._size,
            geometry=self._definition.geometry,
        )
        return SeenImage(image.pixels, heat_map)

    def find_similar(self, path: str) -> list[SimilarImage]:
        """Has none: the training images are the run's."""
        raise InputError(
            "An exported model has no training images to compare with; its "
            "run has: tlkeras demo --workdir=RUN."
        )


def _find_version(path: Path) -> Path:
    """Returns the SavedModel in a folder: itself, or its latest version.

    Raises:
        InputError: If there is none.
    """
    folders = [path] if (path / GRAPH).exists() else path.glob("[0-9]*")
    found = [
        folder
        for folder in folders
        if (folder / GRAPH).exists() and (folder / MODEL_INFO).exists()
    ]
    if not found:
        raise _refuse(path, f"no {GRAPH} with {MODEL_INFO}")
    return max(found, key=lambda folder: int(folder.resolve().name))


def _refuse(path: Path, reason: str) -> InputError:
    return InputError(
        f"'{quote(path)}' is no exported model ({reason}); expected a folder "
        "as tlkeras export writes it, or a .tflite file of one: check --model."
    )
