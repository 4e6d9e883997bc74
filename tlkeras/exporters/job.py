"""What an export works on, and how it describes itself."""

import dataclasses
from pathlib import Path

import numpy as np

from tlkeras.data.dataset import Dataset, Split
from tlkeras.data.reader import ViewReader
from tlkeras.data.views import UNCHANGED
from tlkeras.devices import installed_versions
from tlkeras.evaluation.run import Run
from tlkeras.exporters.inference import ServedModel
from tlkeras.exporters.parity import Reference
from tlkeras.exporters.records import ModelInfo
from tlkeras.optim.losses import compute_probabilities
from tlkeras.remote_directory import address_of

GEOMETRY_WORDS = {
    "squash": "decoded, resized without keeping the aspect ratio",
    "center_crop": "decoded, its middle resized",
    "letterbox": "decoded, resized between grey bars",
}


@dataclasses.dataclass(frozen=True)
class Job:
    """What the writers of all formats work with.

    Attributes:
        run: The finished run.
        served: Its model as it is served.
        dataset: Labelled images in splits.
        name: Of the model, as clients call it.
        version: Number of the version.
        num_calibration_images: Of the training split, for `int8`.
    """

    run: Run
    served: ServedModel
    dataset: Dataset
    name: str
    version: int
    num_calibration_images: int

    @property
    def run_address(self) -> str:
        """Where the run is, also while a local copy of it is worked on."""
        return address_of(self.run.directory)

    def calibration_images(self) -> np.ndarray:
        """Returns uint8 [K, S, S, 3], a seeded draw of the training split."""
        train = self.dataset.splits["train"]
        count = min(self.num_calibration_images, len(train))
        rng = np.random.default_rng(self.run.config.seed)
        rows = np.sort(rng.permutation(len(train))[:count])
        return _reader(train, self.served)(rows, np.zeros_like(rows))

    def reference(self, split: str) -> Reference:
        """Returns the images of the gate and what the Keras model says.

        Args:
            split: validation | test.
        """
        examples = self.dataset.splits[split]
        read = _reader(examples, self.served)
        logits = self.run.compute_logits(examples)
        return Reference(
            split=examples,
            read=lambda rows: read(rows, np.zeros_like(rows)),
            scores=compute_probabilities(logits, self.served.loss),
            class_names=self.served.class_names,
            multi_label=self.served.multi_label,
            to_scores=lambda maps: compute_probabilities(
                maps, self.served.loss
            ),
        )

    def describe(self) -> ModelInfo:
        """Returns what `model_info.json` says of the model."""
        size, definition = self.served.image_size, self.served.definition
        return ModelInfo(
            name=self.name,
            version=self.version,
            classes=list(self.served.class_names),
            multi_label=self.served.multi_label,
            image_size=size,
            image_definition=definition.as_dict(),
            max_pixels=definition.max_pixels,
            input_contract={
                "image_bytes": "one encoded JPEG, PNG, GIF, BMP or WebP each, "
                f"of at most {definition.max_pixels} pixels; "
                f"{GEOMETRY_WORDS[definition.geometry]} and normalised in the "
                "graph; EXIF orientation is "
                f"{'' if definition.is_upright else 'not '}applied",
                "image": f"RGB, 0..255, {size} x {size} pixels; normalised in "
                "the graph",
            },
            backbone=Path(self.run.config.model.backbone).name,
            config_hash=self.run.config_hash,
            libraries=installed_versions(),
            metrics={
                split: self.run.read_metrics(split)
                for split in ("validation", "test")
            },
        )


def _reader(split: Split, served: ServedModel) -> ViewReader:
    return ViewReader(split, (served.image_size,) * 2, UNCHANGED)
