"""A finished run to try: the label without Keras, and why with it."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlkeras.console import Console
from tlkeras.demo.run_images import RunImages
from tlkeras.demo.subject import SeenImage, SimilarImage, TriedModel
from tlkeras.errors import InputError
from tlkeras.evaluation.light_run import load_lightest
from tlkeras.evaluation.prediction import Prediction
from tlkeras.startup import import_frameworks

if TYPE_CHECKING:
    from tlkeras.demo.similar_images import SimilarImages
    from tlkeras.evaluation.run import Run
    from tlkeras.studies.mappers import Mapper


class TriedRun(TriedModel):
    """Answers as `tlkeras predict` does; Keras is imported for the rest.

    Args:
        directory: Of a finished run.
        console: For progress.

    Attributes:
        images: Of the run.
        config: Of the run.

    Raises:
        InputError: If it is no run, unfinished, or of a newer version.
    """

    def __init__(self, directory: Path, console: Console) -> None:
        self._directory = directory
        self._console = console
        self._light = load_lightest(directory)
        self.config = self._light.config
        self.class_names = self._light.class_names
        self.multi_label = self._light.result.multi_label
        source = str(self.config.data.source)
        self.title = Path(source).name or source
        self.about = (
            f"{Path(self.config.model.backbone).name} at "
            f"{self._light.result.image_size} px, {len(self.class_names)} "
            "classes"
        )
        self.images = RunImages(self.config, directory, self.class_names)
        # An interpreter serves one thread, and one mapper is built.
        self._answering = threading.Lock()
        self._loading = threading.Lock()
        self._seeing = threading.Lock()
        self._comparing = threading.Lock()
        self._run: Run | None = None
        self._mapper: Mapper | None = None
        self._similar: SimilarImages | None = None

    def answer(self, path: str) -> Prediction:
        """Returns what the run says of an image file."""
        with self._answering:
            return next(self._light.predict(path))

    def see(self, path: str) -> SeenImage:
        """Returns where it sees the classes; see `TriedModel.see`."""
        run = self._load()
        from tlkeras.studies.heatmaps import read_whole

        with self._seeing:
            self._mapper = self._mapper or _build_mapper(run)
            image, problem = read_whole(path, run.image_definition)
            if image is None:
                raise InputError(f"The image {problem}; expected a whole one.")
            (mapped,) = self._mapper.map_images([image])
        return SeenImage(image.pixels, mapped.heat_map)

    def find_similar(self, path: str) -> list[SimilarImage]:
        """Returns the nearest images; see `TriedModel.find_similar`."""
        self.images.by_digest  # noqa: B018  without them no Keras is needed
        run = self._load()
        from tlkeras.demo.similar_images import SimilarImages

        with self._comparing:
            if self._similar is None:
                self._similar = SimilarImages(run, self.images, self._console)
            return self._similar.find(path)

    def _load(self) -> "Run":
        with self._loading:
            if self._run is None:
                import_frameworks()
                from tlkeras.evaluation.run import load_run

                self._run = load_run(self._directory)
            return self._run


def _build_mapper(run: "Run") -> Any:
    """Returns what maps in one pass; by windows where a head has no cells."""
    from tlkeras.studies.mappers import MAPPERS, HeatmapSettings

    try:
        return MAPPERS["dense"](run, HeatmapSettings("dense"))
    except InputError:
        return MAPPERS["windows"](run, HeatmapSettings("windows"))
