"""The engine of Keras' own backend, which every other is held against."""

import contextlib
import threading
from typing import Any

import keras
import numpy as np

from tlkeras import devices
from tlkeras.errors import InputError
from tlkeras.features.engine import (
    ACCELERATOR_BATCH,
    CPU_BATCH,
    Engine,
    EngineSpec,
    pad,
)


def build_keras(
    prefix: keras.Model, *, precision: str, num_streams: int, dtype: str
) -> Engine:
    """Builds the engine of Keras' own backend, in the model's own precision.

    On TensorFlow and a CPU the variables become constants. On an accelerator
    the model is compiled, with XLA.

    Args:
        prefix: Images [N, S, S, 3] in 0..255 -> frontier.
        precision: The dtype of the prefix' outputs.
        num_streams: Not used: the backend has threads of its own.
        dtype: Of the images.

    Raises:
        InputError: If another precision is asked for.
    """
    del num_streams
    own = prefix.outputs[0].dtype
    if precision != own:
        raise InputError(
            f"The keras engine computes in the network's own {own}, not in "
            f"{precision}; expected features.precision=auto: set "
            "--config.runtime.precision=mixed_bfloat16, or "
            "--config.runtime.engine=openvino."
        )
    on_accelerator = devices.accelerator_name() is not None
    backend = keras.backend.backend()
    if backend == "tensorflow" and not on_accelerator:
        from tlkeras.frozen_graph import freeze_graph

        function = freeze_graph(prefix, batch_size=None, dtype=dtype).function

        def compute(images: np.ndarray) -> Any:
            return function(keras.ops.convert_to_tensor(images))

    else:
        bare = keras.Model(prefix.inputs, prefix.outputs)
        bare.compile(jit_compile=devices.should_compile_with_xla())
        # On JAX a call takes the variables away until it has ended.
        on_jax = backend == "jax"
        turn = threading.Lock() if on_jax else contextlib.nullcontext()

        def compute(images: np.ndarray) -> Any:
            with turn:
                return bare.predict_on_batch(images)

    size = ACCELERATOR_BATCH if on_accelerator else CPU_BATCH

    def run(images: np.ndarray) -> list[np.ndarray]:
        outputs = keras.tree.flatten(compute(pad(images, size)))
        return [_as_float32(x)[: len(images)] for x in outputs]

    return Engine("keras", precision, size, run)


KERAS = EngineSpec(
    build_keras, precisions=lambda own: (own,), uses_accelerator=True
)


def reference_outputs(
    prefix: keras.Model, images: np.ndarray
) -> list[np.ndarray]:
    """Returns what Keras itself gives, without compiling.

    Args:
        prefix: Images -> frontier.
        images: [n, S, S, 3] in 0..255, of any dtype.

    Returns:
        float32 [n, ...] for each frontier tensor.
    """
    outputs = prefix(images.astype(np.float32), training=False)
    return [_as_float32(x) for x in keras.tree.flatten(outputs)]


def _as_float32(values: Any) -> np.ndarray:
    """Returns a tensor of the backend as a float32 array of its shape."""
    return np.asarray(keras.ops.convert_to_numpy(values), np.float32)
