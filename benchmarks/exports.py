"""Exported MobileNetV2 1.0 at 160 px against Keras' own export."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness import (
    Section,
    assets,
    interleave,
    mobilenet_weights,
)
from tlkeras.config import get_config
from tlkeras.exporters.export import export_run
from tlkeras.exporters.formats import FORMATS
from tlkeras.exporters.parity import size_on_disk
from tlkeras.exporters.settings import ExportSettings
from tlkeras.training.trainer import train_and_evaluate

MEASURED = ("saved_model", "tflite", "onnx", "openvino")


def run() -> Section:
    """Measures latency at batch 1 and bytes of every format."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run_directory = train(folder / "run")
        record = export_run(
            run_directory,
            folder / "clothing",
            ExportSettings(formats=MEASURED, max_drop=1.0),
        )
        paths = {
            name: folder / "clothing" / row["path"]
            for name, row in record["formats"].items()
        }
        plain = folder / "plain"
        model = keras.saving.load_model(
            run_directory / "model.keras", compile=False
        )
        model.export(str(plain), verbose=False)
        return measure(paths, plain, record)


def train(directory: Path) -> Path:
    """Trains the linear probe on clothing."""
    config = get_config()
    config.data.source = str(assets() / "datasets" / "clothing")
    config.model.weights = mobilenet_weights()
    config.model.image_size = 160
    config.phases.fine_tune.epochs = 0
    config.report.enabled = False
    train_and_evaluate(config, directory)
    return directory


def measure(paths: dict[str, Path], plain: Path, record: dict) -> Section:
    """Times one image in memory through every file, interleaved."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 160, 160, 3)).astype(np.uint8)
    pixels = tf.constant(image, tf.float32)
    exported = tf.saved_model.load(str(paths["saved_model"]))
    keras_own = tf.saved_model.load(str(plain))
    serve = {
        "model.export": lambda: keras_own.serve([pixels]).numpy(),
        "saved_model": lambda: exported.signatures["image"](image=pixels)[
            "probabilities"
        ].numpy(),
    }
    for name, path in paths.items():
        if name != "saved_model":
            runner = FORMATS[name].load(path)
            serve[name] = lambda runner=runner: runner.run([], image)
    seconds = interleave(serve, rounds=200)
    sizes = {
        name: size_on_disk(path)
        for name, path in {"model.export": plain, **paths}.items()
    }
    # Labels, warm-up requests and descriptions are no part of the model.
    sizes["saved_model"] = size_on_disk(
        paths["saved_model"] / "saved_model.pb"
    ) + size_on_disk(paths["saved_model"] / "variables")
    rows = [["file", "p50 at batch 1, ms", "ratio", "MB", "ratio", "drop"]]
    for name, value in seconds.items():
        drop = record["formats"].get(name, {}).get("drop")
        rows.append(
            [
                f"`{name}`",
                f"{1e3 * value:.2f}",
                f"{seconds['model.export'] / value:.2f}x faster",
                f"{sizes[name] / 1e6:.2f}",
                f"{sizes[name] / sizes['model.export']:.2f}x",
                "" if drop is None else f"{drop:+.4f}",
            ]
        )
    return Section(
        "Exported files of MobileNetV2 1.0, 160 px, a linear probe on clothing",
        rows,
        [
            "One decoded image, two threads, called from Python; decoding is "
            "left out on all sides.",
            "`drop`: top-1 of Keras minus that of the file, "
            f"{record['num_images']} validation images.",
        ],
    )
