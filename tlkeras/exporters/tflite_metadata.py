"""Labels and image metadata inside a .tflite file.

The file stays a FlatBuffer; its `TFLITE_METADATA` buffer holds another one, of
the TFLite Metadata schema (tensorflow.org/lite/models/convert/metadata), and
the label file is appended as a ZIP archive. MediaPipe Tasks and other runtimes
read both.
"""

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tlkeras.data.definition import FIRST

LABELS = "labels.txt"
DEFINITION = "image_definition.json"
# Constants of the metadata schema, version 1.
_IMAGE_PROPERTIES, _FEATURE_PROPERTIES = 2, 1  # union ContentProperties
_NORMALIZATION = 1  # union ProcessUnitOptions
_RGB = 1  # enum ColorSpaceType
_TENSOR_AXIS_LABELS = 2  # enum AssociatedFileType
_MIN_PARSER_VERSION = "1.0.0"

# Puts one field into the table that is being built.
Field = Callable[[flatbuffers.Builder, int], None]


def add_metadata(
    content: bytes,
    *,
    name: str,
    description: str,
    class_names: Sequence[str],
    image_definition: dict[str, Any],
) -> bytes:
    """Returns a model file with names, metadata and labels.

    Args:
        content: A .tflite file of one image input and one score output.
        name: Of the model.
        description: One sentence.
        class_names: [C] in the order of the scores.
        image_definition: Version and geometry of what pixels are, for clients
            that decode.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    graph.tensors[graph.inputs[0]].name = "image"
    graph.tensors[graph.outputs[0]].name = "probabilities"
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(_pack_metadata(name, description), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = "TFLITE_METADATA"
    entry.buffer = len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    file = io.BytesIO(bytes(builder.Output()))
    # Mode "a" appends the archive; its offsets count from the file's start.
    with zipfile.ZipFile(file, "a") as archive:
        # A fixed date, so that the same model gives the same bytes.
        for file_name, text in (
            (LABELS, "".join(f"{n}\n" for n in class_names)),
            (DEFINITION, json.dumps(image_definition)),
        ):
            archive.writestr(
                zipfile.ZipInfo(file_name, (1980, 1, 1, 0, 0, 0)), text
            )
    return file.getvalue()


def read_labels(content: bytes) -> list[str]:
    """Returns the class names that `add_metadata` put into a file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        text = archive.read(LABELS).decode("utf-8")
    return text.removesuffix("\n").split("\n")


def read_definition(content: bytes) -> dict[str, Any]:
    """Returns the image definition in a file; files of before have none."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if DEFINITION not in archive.namelist():
            return FIRST.as_dict()
        return json.loads(archive.read(DEFINITION))


def _pack_metadata(name: str, description: str) -> bytes:
    """Returns ModelMetadata: an RGB image in, scores with axis labels out.

    The image is taken as it is, mean 0 and deviation 1: each network
    normalises by itself.
    """
    builder = flatbuffers.Builder(1024)
    normalization = _table(
        builder, {0: _floats(builder, [0.0]), 1: _floats(builder, [1.0])}
    )
    unit = _union(builder, _NORMALIZATION, normalization)
    properties = _table(builder, {0: _byte(_RGB)})
    image_content = _union(builder, _IMAGE_PROPERTIES, properties)
    statistics = _table(
        builder, {0: _floats(builder, [255.0]), 1: _floats(builder, [0.0])}
    )
    image = _table(
        builder,
        {
            0: _text(builder, "image"),
            1: _text(builder, "RGB image, 0..255; normalised by the network."),
            3: _offset(image_content),
            4: _vector(builder, [unit]),
            5: _offset(statistics),
        },
    )
    labels = _table(
        builder,
        {
            0: _text(builder, LABELS),
            1: _text(builder, "Class names, in the order of the scores."),
            2: _byte(_TENSOR_AXIS_LABELS),
        },
    )
    features = _table(builder, {})
    score_content = _union(builder, _FEATURE_PROPERTIES, features)
    scores = _table(
        builder,
        {
            0: _text(builder, "probabilities"),
            1: _text(builder, "Score of each class, 0..1."),
            3: _offset(score_content),
            6: _vector(builder, [labels]),
        },
    )
    graph = _table(
        builder,
        {2: _vector(builder, [image]), 3: _vector(builder, [scores])},
    )
    model = _table(
        builder,
        {
            0: _text(builder, name),
            1: _text(builder, description),
            3: _vector(builder, [graph]),
            7: _text(builder, _MIN_PARSER_VERSION),
        },
    )
    builder.Finish(model, b"M001")
    return bytes(builder.Output())


def _table(builder: flatbuffers.Builder, fields: dict[int, Field]) -> int:
    """Writes a table of fields by slot; returns its offset."""
    builder.StartObject(max(fields, default=-1) + 1)
    for slot, put in fields.items():
        put(builder, slot)
    return builder.EndObject()


def _union(builder: flatbuffers.Builder, kind: int, table: int) -> int:
    """Writes a table that holds nothing but a union; returns its offset."""
    return _table(builder, {0: _byte(kind), 1: _offset(table)})


def _byte(value: int) -> Field:
    return lambda builder, slot: builder.PrependInt8Slot(slot, value, 0)


def _offset(offset: int) -> Field:
    return lambda builder, slot: builder.PrependUOffsetTRelativeSlot(
        slot, offset, 0
    )


def _text(builder: flatbuffers.Builder, text: str) -> Field:
    return _offset(builder.CreateString(text))


def _floats(builder: flatbuffers.Builder, values: list[float]) -> Field:
    return _offset(builder.CreateNumpyVector(np.array(values, np.float32)))


def _vector(builder: flatbuffers.Builder, offsets: list[int]) -> Field:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return _offset(builder.EndVector())
