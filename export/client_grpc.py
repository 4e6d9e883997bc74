#!/usr/bin/env python3
"""Labels images through TF Serving's gRPC API.

Needs tensorflow-serving-api, and client_rest.py beside it; for the overlays of
--signature=heatmap --output=DIR also overlays.py and Pillow. Prints
`PATH<TAB>LABEL<TAB>SCORE` for each image. Exit code 0: all were answered; 1:
some image was refused; 2: the server could not answer.
"""

import os
import sys

from client_rest import (
    HEATMAP,
    Located,
    RefusedError,
    ServerError,
    join_labels,
    parse_arguments,
    run,
)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def make_request(settings, contents):
    """Returns a PredictRequest for encoded images."""
    from tensorflow.core.framework import tensor_pb2, types_pb2
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = settings.model
    request.model_spec.signature_name = settings.signature
    if settings.version is not None:
        request.model_spec.version.value = settings.version
    elif settings.label:
        request.model_spec.version_label = settings.label
    tensor = tensor_pb2.TensorProto(
        dtype=types_pb2.DT_STRING, string_val=contents
    )
    tensor.tensor_shape.dim.add(size=len(contents))
    request.inputs["image_bytes"].CopyFrom(tensor)
    return request


def predict(stub, settings, contents):
    """Returns (label, score), both text, for each encoded image.

    Raises:
        RefusedError: If the server refuses the images.
        ServerError: If it is down, too slow, or serves no such model.
    """
    import grpc

    try:
        response = stub.Predict(
            make_request(settings, contents), timeout=settings.timeout
        )
    except grpc.RpcError as error:
        raise explain(error, settings) from None
    outputs = response.outputs
    columns = read_columns(settings, outputs)
    if HEATMAP not in outputs:
        return columns
    rows = zip(columns, *read_maps(outputs), strict=True)
    several = "labels" in outputs
    return [
        Located(*texts, maps, names, several) for texts, maps, names in rows
    ]


def read_maps(outputs):
    """Returns the class maps [h][w][C] of each image, and the classes."""
    sizes = [dim.size for dim in outputs[HEATMAP].tensor_shape.dim]
    values = list(floats(outputs[HEATMAP]))
    for size in reversed(sizes[1:]):
        values = [values[i : i + size] for i in range(0, len(values), size)]
    names = [value.decode() for value in outputs["classes"].string_val]
    count = sizes[-1]
    classes = [names[i : i + count] for i in range(0, len(names), count)]
    return values, classes


def read_columns(settings, outputs):
    """Returns (label, score), both text, for each image."""
    if "label" in outputs:
        labels = [value.decode() for value in outputs["label"].string_val]
        scores = [f"{score:.4f}" for score in floats(outputs["score"])]
        return list(zip(labels, scores, strict=True))
    if "labels" in outputs:
        return several_labels(outputs["labels"], outputs["scores"])
    raise ServerError(
        f"signature '{settings.signature}' answers {sorted(outputs)}, not "
        "labels and scores; expected serving_default"
    )


def several_labels(labels, scores):
    """Returns (labels, scores) for each image, joined by commas."""
    columns = labels.tensor_shape.dim[1].size
    names = [value.decode() for value in labels.string_val]
    numbers = floats(scores)
    return [
        join_labels(names[i : i + columns], numbers[i : i + columns])
        for i in range(0, len(names), columns)
    ]


def floats(tensor):
    """Returns the numbers of a float tensor, packed or not."""
    import math
    import struct

    if tensor.tensor_content:
        count = len(tensor.tensor_content) // 4
        return struct.unpack(f"<{count}f", tensor.tensor_content)
    size = math.prod(dim.size for dim in tensor.tensor_shape.dim)
    values = list(tensor.float_val)
    # Equal values at the end are stored once.
    return values + values[-1:] * (size - len(values))


def explain(error, settings):
    """Returns what a status means, in one sentence."""
    import grpc

    code, text = error.code(), " ".join(error.details().split())
    if code == grpc.StatusCode.DEADLINE_EXCEEDED:
        return ServerError(
            f"no answer from {settings.address} within {settings.timeout:g} s; "
            "raise --timeout or send fewer images with --batch"
        )
    if code == grpc.StatusCode.UNAVAILABLE:
        return ServerError(
            f"no server answers at {settings.address} ({text}); start it with "
            "docker compose up, or check --address"
        )
    if code == grpc.StatusCode.NOT_FOUND:
        return ServerError(
            f"{settings.address} serves no such model ({text}); check --model, "
            "--version, --label and models.config"
        )
    if "serving signature" in text.lower():
        return ServerError(
            f"the model has no signature '{settings.signature}'; expected "
            "serving_default"
        )
    if "version label" in text:
        return ServerError(
            f"the model has no version labelled '{settings.label}'; see "
            "version_labels in models.config"
        )
    if code == grpc.StatusCode.INVALID_ARGUMENT:
        return RefusedError(text)
    return ServerError(f"{settings.address} fails with {code.name}: {text}")


def import_stubs():
    """Imports the stubs without the banners of the TensorFlow behind them."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        from tensorflow_serving.apis import prediction_service_pb2_grpc
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    return prediction_service_pb2_grpc


def main(argv=None):
    """Labels the images of the command line."""
    settings = parse_arguments(
        argv, __doc__.partition("\n")[0], "--address", "localhost:8500"
    )
    prediction_service_pb2_grpc = import_stubs()
    import grpc

    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(settings.address, options) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return run(
            "client_grpc",
            settings,
            lambda contents: predict(stub, settings, contents),
        )


if __name__ == "__main__":
    sys.exit(main())
