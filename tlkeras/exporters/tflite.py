"""Conversion to LiteRT's format: five kinds of numbers, built-in ops only."""

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from tlkeras.exporters.inference import ServedModel, build_score_model
from tlkeras.exporters.tflite_metadata import add_metadata
from tlkeras.litert import make_converter
from tlkeras.startup import silenced_stderr

TFLITE_KINDS = {
    "float32": "float32 weights and arithmetic",
    "float16": "weights stored as float16, half the size",
    "dynamic": "weights stored as int8, activations quantised as they come",
    "int8": "weights and activations int8, uint8 in and out",
    "int16x8": "weights int8, activations int16, float32 in and out",
}
# What `tflite` stands for; int16x8 takes int8's place where that is refused.
USUAL_KINDS = ("float32", "float16", "dynamic", "int8")

# Kinds whose activations are quantised with ranges that are measured before.
_OPS = tf.lite.OpsSet
CALIBRATED = {
    "int8": _OPS.TFLITE_BUILTINS_INT8,
    "int16x8": (
        _OPS.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
    ),
}


def convert_to_tflite(
    served: ServedModel,
    kind: str,
    read_calibration: Callable[[], np.ndarray],
    *,
    name: str,
) -> bytes:
    """Converts a model; one image [1, S, S, 3] in 0..255 -> scores [1, C].

    Args:
        served: What to convert.
        kind: Key of `TFLITE_KINDS`.
        read_calibration: Gives uint8 [K, S, S, 3], images of the training
            split; the ranges of all activations are derived from them.
        name: Of the model, for its metadata.

    Returns:
        The file's bytes, with labels and metadata.
    """
    converter = make_converter(build_score_model(served))
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in CALIBRATED:
        converter.target_spec.supported_ops = [CALIBRATED[kind]]
        converter.representative_dataset = lambda: calibration_batches(
            read_calibration()
        )
    if kind == "int8":
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.uint8
    with silenced_stderr():
        content = converter.convert()
    return add_metadata(
        content,
        name=name,
        description=f"Image classifier, {TFLITE_KINDS[kind]}.",
        class_names=served.class_names,
        image_definition=served.definition.as_dict(),
    )


def calibration_batches(images: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Yields [image float32 [1, S, S, 3]] for each calibration image.

    Two pixels of the first are set to 0 and 255, so that the input's scale is
    1 and its zero point 0: runtimes hand over pixels as they are.
    """
    for row, image in enumerate(images.astype(np.float32)):
        if row == 0:
            image[0, 0], image[0, 1] = 0.0, 255.0
        yield [image[None]]
