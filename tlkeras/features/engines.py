"""The engines that run a frozen prefix over images, and which one is taken."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np

from tlkeras import devices
from tlkeras.features.engine import Engine, EngineSpec
from tlkeras.features.keras_engine import KERAS, reference_outputs
from tlkeras.features.openvino_engine import OPENVINO
from tlkeras.tables import lookup

# Largest relative L2 distance from Keras that counts as the same numbers:
# float32 in another order gives about 1e-6, bfloat16 1e-2 and more.
MAX_RELATIVE_ERROR = 1e-4

# In the order in which `auto` tries them: the faster ones first.
ENGINES: dict[str, EngineSpec] = {"openvino": OPENVINO, "keras": KERAS}
# Runs everywhere and is right by definition: taken where no other can be.
REFERENCE = "keras"


@dataclasses.dataclass(frozen=True)
class EngineChoice:
    """An engine, and why it was taken.

    Attributes:
        engine: Ready to run.
        reason: For people, with the numbers.
    """

    engine: Engine
    reason: str


def engine_obstacle(name: str) -> str:
    """Returns why an engine of `ENGINES` cannot be used here, or ""."""
    return lookup(ENGINES, name, what="runtime.engine").obstacle()


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
            Where the processor lacks it, the engine computes in float32.
        num_streams: Threads that will call `run`.

    Raises:
        InputError: If the engine asked for cannot be used.
    """

    def build(name: str, precision: str) -> Engine:
        spec = lookup(ENGINES, name, what="runtime.engine")
        return spec.build(
            prefix,
            precision=precision,
            num_streams=num_streams,
            dtype=str(sample.dtype),
        )

    if engine == "auto":
        return _choose_fastest(prefix, sample, precision, build)
    built = build(engine, precision)
    reasons = ["asked for by runtime.engine", *_lacks(built, precision)]
    return EngineChoice(built, "; ".join(reasons))


def _choose_fastest(
    prefix: keras.Model,
    sample: np.ndarray,
    precision: str,
    build: Callable[[str, str], Engine],
) -> EngineChoice:
    """Walks down the table to the first engine that is exact.

    Args:
        prefix: Images -> frontier.
        sample: [n, S, S, 3] in 0..255.
        precision: That is asked for.
        build: (name, precision) -> engine.
    """
    own = prefix.outputs[0].dtype
    notes: list[str] = []
    for name, spec in ENGINES.items():
        if name == REFERENCE:
            continue
        if why := _why_aside(spec, own, precision):
            notes.append(f"{name} is left aside: {why}")
            continue
        fast = build(name, precision)
        notes += _lacks(fast, precision)
        precision = fast.precision
        if precision != "float32":
            return EngineChoice(fast, "the only engine for this precision")
        error, count = _error(fast, prefix, sample)
        images = f"on {count} images"
        limit = f"(limit {MAX_RELATIVE_ERROR:.0e}, relative L2)"
        if error <= MAX_RELATIVE_ERROR:
            why = f"the fastest; {error:.1e} from Keras {images} {limit}"
            return EngineChoice(fast, "; ".join([why, *notes]))
        notes.append(f"{name} is off by {error:.1e} {images} {limit}")
    return EngineChoice(build(REFERENCE, precision), "; ".join(notes))


def _why_aside(spec: EngineSpec, own: str, precision: str) -> str:
    """Returns why `auto` does not try an engine, or ""."""
    if devices.accelerator_name() is not None and not spec.uses_accelerator:
        return "an accelerator is there"
    if own != "float32":
        # Two engines that round to 16 bits at other places cannot be told
        # from a wrong one.
        return f"the network computes in {own}"
    if obstacle := spec.obstacle():
        return obstacle
    if precision not in spec.precisions(own):
        return f"it does not compute in {precision}"
    return ""


def _lacks(engine: Engine, precision: str) -> list[str]:
    """Returns the sentence for a precision that was asked for in vain."""
    if engine.precision == precision:
        return []
    return [f"{precision} is not used: this processor does not compute in it"]


def _error(
    engine: Engine, prefix: keras.Model, sample: np.ndarray
) -> tuple[float, int]:
    """Returns the largest relative error of a tensor, and on how many images.

    Args:
        engine: To hold against Keras.
        prefix: What it was compiled from.
        sample: [n, S, S, 3]; as many as one call takes are used.
    """
    sample = sample[: engine.batch_size]
    pairs = zip(
        engine.run(sample), reference_outputs(prefix, sample), strict=True
    )
    return max(relative_error(*pair) for pair in pairs), len(sample)


def relative_error(values: np.ndarray, reference: np.ndarray) -> float:
    """Returns ||values - reference|| / ||reference||, in L2.

    Args:
        values: float [...].
        reference: float [...], of the same shape.

    Returns:
        At least 0.
    """
    difference = float(np.linalg.norm((values - reference).ravel()))
    return difference / max(float(np.linalg.norm(reference.ravel())), 1e-30)
