"""A version directory in TF Serving's layout."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tlkeras import workdir
from tlkeras.exporters.inference import ServedModel
from tlkeras.exporters.records import ModelInfo
from tlkeras.exporters.signatures import ClassifierModule
from tlkeras.exporters.version_files import LABELS_PATH, MODEL_INFO
from tlkeras.exporters.warmup import write_warmup


def write_saved_model(
    served: ServedModel,
    directory: Path,
    *,
    name: str,
    held_out: Sequence[str],
    info: ModelInfo,
) -> None:
    """Writes a SavedModel with its labels, warm-up requests and description.

    Args:
        served: What to serve.
        directory: Of the version; must not exist.
        name: Of the model, for the warm-up requests.
        held_out: Files of the warm-up requests.
        info: For `model_info.json`.
    """
    module = ClassifierModule(served)
    signatures = module.signatures()
    try:
        tf.saved_model.save(
            module,
            str(directory),
            signatures=signatures,
            # Constants cannot be saved with them, and servers only infer.
            options=tf.saved_model.SaveOptions(
                experimental_custom_gradients=False
            ),
        )
        write_warmup(directory, name, held_out)
    except tf.errors.OpError as error:  # a full disk, a limit on file sizes
        raise OSError(error.message) from None
    # TensorFlow makes assets/ only for files that the graph reads.
    (directory / LABELS_PATH).parent.mkdir(exist_ok=True)
    workdir.write_text(
        directory / LABELS_PATH, "".join(f"{n}\n" for n in served.class_names)
    )
    workdir.write_json(
        directory / MODEL_INFO,
        {
            **dataclasses.asdict(info),
            "weights_are_constants": module.is_frozen,
            "signatures": {
                key: {
                    "inputs": _describe(function.structured_input_signature[0]),
                    "outputs": _describe(function.structured_outputs),
                }
                for key, function in signatures.items()
            },
        },
    )


def _describe(specs: Any) -> dict[str, str]:
    """Returns tensor name -> `dtype shape`."""
    if not isinstance(specs, dict):
        specs = {spec.name: spec for spec in specs}
    return {
        name: f"{spec.dtype.name} {spec.shape.as_list()}"
        for name, spec in specs.items()
    }
