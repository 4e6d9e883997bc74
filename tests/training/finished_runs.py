"""What tests ask of finished run directories."""

import keras
import numpy as np

from tlkeras import workdir


def weights_of(directory):
    model = keras.saving.load_model(directory / workdir.MODEL, compile=False)
    return {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}


def assert_same_weights(first, second):
    a, b = weights_of(first), weights_of(second)
    assert a.keys() == b.keys()
    for path, value in a.items():
        np.testing.assert_array_equal(value, b[path], path)


def history_of(directory):
    return workdir.read_table(directory / workdir.HISTORY)
