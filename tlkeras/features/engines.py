"""Engines that run a frozen prefix over images.

One protocol: `build(prefix, precision=..., num_streams=..., dtype=...)` gives
an `Engine`, whose `run` may be called by several threads at once. `keras` works
with every backend; `openvino` is an extra, on CPUs, and faster there.
"""

import dataclasses
import importlib.util
import queue
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tlkeras import devices
from tlkeras.errors import InputError
from tlkeras.tables import lookup

# Largest relative L2 distance from Keras that counts as the same numbers.
MAX_RELATIVE_ERROR = 1e-4
CPU_BATCH = 8  # best or near best for both engines
ACCELERATOR_BATCH = 128


@dataclasses.dataclass(frozen=True)
class Engine:
    """A compiled prefix.

    Attributes:
        name: Key of `ENGINES`.
        precision: `float32`, `bfloat16` or `float16`: what it computes in.
        batch_size: Images a call; fewer are padded.
        run: [n <= batch_size, S, S, 3] in 0..255 -> list of float32
            [n, ...], one for each frontier tensor. Thread-safe.
    """

    name: str
    precision: str
    batch_size: int
    run: Callable[[np.ndarray], list[np.ndarray]]


def build_keras(
    prefix: keras.Model, *, precision: str, num_streams: int, dtype: str
) -> Engine:
    """Builds the engine of Keras' own backend, in the model's own precision.

    On TensorFlow and a CPU the variables become constants. On an accelerator
    the model is compiled, with XLA.
    """
    del num_streams  # the backend has threads of its own
    own = prefix.outputs[0].dtype
    if precision != own:
        raise InputError(
            f"The keras engine computes in the network's own {own}, not in "
            f"{precision}; expected features.precision=auto: set "
            "--config.runtime.precision=mixed_bfloat16, or "
            "--config.runtime.engine=openvino."
        )
    on_accelerator = devices.accelerator_name() is not None
    if keras.backend.backend() == "tensorflow" and not on_accelerator:
        from tlkeras.frozen_graph import freeze_graph

        function = freeze_graph(prefix, batch_size=None, dtype=dtype).function

        def compute(images: np.ndarray) -> Any:
            return function(keras.ops.convert_to_tensor(images))

    else:
        bare = keras.Model(prefix.inputs, prefix.outputs)
        bare.compile(jit_compile=devices.should_compile_with_xla())
        compute = bare.predict_on_batch
    size = ACCELERATOR_BATCH if on_accelerator else CPU_BATCH

    def run(images: np.ndarray) -> list[np.ndarray]:
        outputs = keras.tree.flatten(compute(_pad(images, size)))
        return [_as_float32(x)[: len(images)] for x in outputs]

    return Engine("keras", precision, size, run)


def build_openvino(
    prefix: keras.Model, *, precision: str, num_streams: int, dtype: str
) -> Engine:
    """Builds an OpenVINO engine on the CPU, one stream for each worker.

    Raises:
        InputError: If OpenVINO is not installed, or Keras' backend is not
            TensorFlow, whose graph it reads.
    """
    if obstacle := engine_obstacle("openvino"):
        raise InputError(
            f"runtime.engine=openvino cannot be used: {obstacle}; expected the "
            "package openvino on Keras' TensorFlow backend: run pip install "
            "'tlkeras[openvino]', or set --config.runtime.engine=keras."
        )
    if precision not in OPENVINO_PRECISIONS:
        raise InputError(
            f"The engine openvino does not compute in {precision}; expected "
            f"{' or '.join(OPENVINO_PRECISIONS)}: set "
            "--config.runtime.precision=float32, or "
            "--config.runtime.engine=keras."
        )
    import openvino

    from tlkeras.frozen_graph import freeze_graph

    frozen = freeze_graph(prefix, batch_size=CPU_BATCH, dtype=dtype)
    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frozen.pb"
        path.write_bytes(frozen.serialize())
        compiled = core.compile_model(
            core.read_model(path),
            "CPU",
            {
                "NUM_STREAMS": num_streams,
                "INFERENCE_NUM_THREADS": num_streams,
                # The default would be bfloat16 wherever the CPU has it.
                "INFERENCE_PRECISION_HINT": OPENVINO_PRECISIONS[precision],
            },
        )
    ports = [compiled.output(name) for name in frozen.output_names]
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(num_streams):
        requests.put(compiled.create_infer_request())

    def run(images: np.ndarray) -> list[np.ndarray]:
        request = requests.get()
        try:
            results = request.infer([_pad(images, CPU_BATCH)])
            # Copies: the request's own memory serves the next call.
            return [
                np.array(results[port][: len(images)], np.float32)
                for port in ports
            ]
        finally:
            requests.put(request)

    # Once, by one thread: OpenVINO's bindings build a table when they are first
    # used, and two threads that do so at once wait for each other for ever
    # (one holds the table's guard, the other the interpreter's lock).
    run(np.zeros((1, *prefix.inputs[0].shape[1:]), dtype))
    return Engine("openvino", precision, CPU_BATCH, run)


OPENVINO_PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
# In the order in which `auto` tries them: the faster ones first.
ENGINES: dict[str, Callable[..., Engine]] = {
    "openvino": build_openvino,
    "keras": build_keras,
}


def engine_obstacle(name: str) -> str:
    """Returns why an engine of `ENGINES` cannot be used here, or ""."""
    if name == "keras":
        return ""
    if importlib.util.find_spec("openvino") is None:
        return "it is not installed"
    if keras.backend.backend() != "tensorflow":
        return f"Keras runs on {keras.backend.backend()}"
    return ""


def _pad(images: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(images)
    if missing <= 0:
        return images
    return np.concatenate(
        [images, np.zeros((missing, *images.shape[1:]), images.dtype)]
    )


def _as_float32(values: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(values), np.float32)


def relative_error(values: np.ndarray, reference: np.ndarray) -> float:
    """Returns ||values - reference|| / ||reference||, in L2."""
    difference = float(np.linalg.norm((values - reference).ravel()))
    return difference / max(float(np.linalg.norm(reference.ravel())), 1e-30)


def reference_outputs(
    prefix: keras.Model, images: np.ndarray
) -> list[np.ndarray]:
    """Returns what Keras itself gives, without compiling: [n, ...] each."""
    outputs = prefix(images.astype(np.float32), training=False)
    return [_as_float32(x) for x in keras.tree.flatten(outputs)]


@dataclasses.dataclass(frozen=True)
class EngineChoice:
    """An engine, and why it was taken.

    Attributes:
        engine: Ready to run.
        reason: For people, with the numbers.
    """

    engine: Engine
    reason: str


def choose_engine(
    prefix: keras.Model,
    sample: np.ndarray,
    *,
    engine: str = "auto",
    precision: str = "float32",
    num_streams: int = 1,
) -> EngineChoice:
    """Compiles a prefix with the engine asked for, or the fastest exact one.

    Args:
        prefix: Images [N, S, S, 3] in 0..255 -> frontier.
        sample: A few real images [n, S, S, 3]; their dtype is the engine's.
        engine: `auto` or a key of `ENGINES`. `auto` takes the first that can
            run here and agrees with Keras on the sample within
            `MAX_RELATIVE_ERROR`.
        precision: What to compute in; only float32 is held against Keras.
        num_streams: Threads that will call `run`.

    Raises:
        InputError: If the engine asked for cannot be used.
    """
    settings: dict[str, Any] = {
        "precision": precision,
        "num_streams": num_streams,
        "dtype": str(sample.dtype),
    }
    if engine != "auto":
        build = lookup(ENGINES, engine, what="runtime.engine")
        return EngineChoice(
            build(prefix, **settings), "asked for by runtime.engine"
        )
    own = prefix.outputs[0].dtype
    obstacle = engine_obstacle("openvino")
    if devices.accelerator_name() is not None:
        obstacle = "an accelerator is there"
    elif own != "float32":
        obstacle = f"the network computes in {own}"
    if obstacle:
        return EngineChoice(
            build_keras(prefix, **settings),
            f"openvino is left aside: {obstacle}",
        )
    fast = build_openvino(prefix, **settings)
    if precision != "float32":
        return EngineChoice(fast, "the only engine for this precision")
    sample = sample[: fast.batch_size]
    error = max(
        relative_error(values, reference)
        for values, reference in zip(
            fast.run(sample), reference_outputs(prefix, sample), strict=True
        )
    )
    if error <= MAX_RELATIVE_ERROR:
        return EngineChoice(
            fast,
            f"the fastest; {error:.1e} from Keras on {len(sample)} images "
            f"(limit {MAX_RELATIVE_ERROR:.0e}, relative L2)",
        )
    return EngineChoice(
        build_keras(prefix, **settings),
        f"openvino is off by {error:.1e} on {len(sample)} images (limit "
        f"{MAX_RELATIVE_ERROR:.0e}, relative L2)",
    )
