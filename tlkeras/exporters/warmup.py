"""Warm-up requests that TF Serving replays before a version takes traffic."""

from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import (
    model_pb2,
    predict_pb2,
    prediction_log_pb2,
)

from tlkeras.data.contents import read_content, size_of
from tlkeras.exporters.version_files import DEFAULT_SIGNATURE

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
# Each allowed batch size of export/batching.config is compiled once.
WARMUP_BATCH_SIZES = (1, 2, 4, 8, 16, 32)
NUM_WARMUP_IMAGES = 4  # of the smallest files, taken in turns


def write_warmup(directory: Path, name: str, paths: Sequence[str]) -> None:
    """Writes one request for each batch size into a version directory.

    Args:
        directory: Of the SavedModel.
        name: Of the model, as clients call it.
        paths: [>= 1] real image files.
    """
    smallest = sorted(paths, key=size_of)
    contents = [read_content(path) for path in smallest[:NUM_WARMUP_IMAGES]]
    # What decodes other formats than JPEG is a function of its own in the
    # graph, prepared when it first runs.
    contents.append(tf.io.encode_png(tf.zeros((8, 8, 3), tf.uint8)).numpy())
    (directory / WARMUP_FILE).parent.mkdir()
    with tf.io.TFRecordWriter(str(directory / WARMUP_FILE)) as writer:
        for size in WARMUP_BATCH_SIZES:
            images = [contents[row % len(contents)] for row in range(size)]
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(
                    name=name, signature_name=DEFAULT_SIGNATURE
                ),
                inputs={"image_bytes": tf.make_tensor_proto(images)},
            )
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
