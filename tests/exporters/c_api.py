"""Asks a SavedModel through TensorFlow's C API, without its Python package.

usage: c_api.py LIBRARY MODEL_DIRECTORY INPUT OUTPUT INDEX IMAGE...

Prints one line of floats an image. INPUT and OUTPUT are operations of the
graph, INDEX is the output's place.
"""

import ctypes
import sys
from pathlib import Path

FLOAT, STRING = 1, 7  # TF_DataType
STRING_BYTES = 24  # sizeof(TF_TString)


class Output(ctypes.Structure):
    """TF_Output: an operation and the place of its output."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


def main(library, directory, input_name, output_name, index, *images):
    """Loads the model, runs it on all images in one batch, prints floats."""
    tf = ctypes.CDLL(library)
    for name in (
        "TF_NewStatus",
        "TF_NewGraph",
        "TF_NewSessionOptions",
        "TF_LoadSessionFromSavedModel",
        "TF_GraphOperationByName",
        "TF_AllocateTensor",
        "TF_TensorData",
    ):
        getattr(tf, name).restype = ctypes.c_void_p
    tf.TF_Message.restype = ctypes.c_char_p
    tf.TF_Dim.restype = ctypes.c_int64
    pointer = ctypes.c_void_p
    status, graph = pointer(tf.TF_NewStatus()), pointer(tf.TF_NewGraph())

    def check():
        if tf.TF_GetCode(status):
            sys.exit(tf.TF_Message(status).decode())

    tags = (ctypes.c_char_p * 1)(b"serve")
    session = pointer(
        tf.TF_LoadSessionFromSavedModel(
            pointer(tf.TF_NewSessionOptions()),
            None,
            directory.encode(),
            tags,
            1,
            graph,
            None,
            status,
        )
    )
    check()
    shape = (ctypes.c_int64 * 1)(len(images))
    tensor = pointer(
        tf.TF_AllocateTensor(
            STRING, shape, 1, ctypes.c_size_t(STRING_BYTES * len(images))
        )
    )
    data = tf.TF_TensorData(tensor)
    for row, path in enumerate(images):
        place = pointer(data + STRING_BYTES * row)
        content = Path(path).read_bytes()
        tf.TF_StringInit(place)
        tf.TF_StringCopy(place, content, ctypes.c_size_t(len(content)))

    def find(name):
        found = tf.TF_GraphOperationByName(graph, name.encode())
        return found or sys.exit(f"no operation {name}")

    inputs = (Output * 1)(Output(find(input_name), 0))
    outputs = (Output * 1)(Output(find(output_name), int(index)))
    values = (pointer * 1)()
    tf.TF_SessionRun(
        session,
        None,
        inputs,
        (pointer * 1)(tensor),
        1,
        outputs,
        values,
        1,
        None,
        0,
        None,
        status,
    )
    check()
    answer = pointer(values[0])
    columns = tf.TF_Dim(answer, 1)
    floats = ctypes.cast(
        tf.TF_TensorData(answer), ctypes.POINTER(ctypes.c_float)
    )
    for row in range(len(images)):
        print(*floats[row * columns : (row + 1) * columns])


if __name__ == "__main__":
    assert "tensorflow" not in sys.modules
    main(*sys.argv[1:])
