"""Seeds, numeric precision and devices of the machine at hand."""

import glob
import logging
import platform
from importlib import metadata

from tlkeras.startup import set_conventions

PACKAGES = (
    "tlkeras",
    "keras",
    "tensorflow",
    "openvino",
    "numpy",
    "scikit-learn",
)
# Of drivers: CUDA, ROCm, Windows' own Linux, TPUs.
DEVICE_FILES = ("/dev/nvidia[0-9]*", "/dev/kfd", "/dev/dxg", "/dev/accel*")
PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")


def accelerator_name() -> str | None:
    """Returns the first accelerator that the Keras backend sees, or None."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        devices = [
            device.name for device in tf.config.list_physical_devices("GPU")
        ]
    elif backend == "jax":
        import jax

        devices = [str(d) for d in jax.devices() if d.platform != "cpu"]
    else:
        import torch

        devices = ["cuda"] if torch.cuda.is_available() else []
    return devices[0] if devices else None


def may_have_accelerator() -> bool:
    """Says whether this machine has an accelerator, without any framework.

    A driver's device files tell; whether Keras can use it, only
    `accelerator_name` knows.
    """
    return any(map(glob.glob, DEVICE_FILES))


def choose_precision(precision: str, accelerator: str | None) -> str:
    """Resolves `auto`: `mixed_float16` on an accelerator, `float32` on a CPU.

    Mixed precision in `fit` is no faster on a CPU, even on one with AMX.

    Example:
    >>> choose_precision("auto", None)
    'float32'
    """
    if precision != "auto":
        return precision
    return "mixed_float16" if accelerator else "float32"


def should_compile_with_xla() -> bool:
    """Says whether XLA helps: on accelerators only (7x slower on a CPU)."""
    import keras

    if keras.backend.backend() == "jax":
        return True
    return keras.backend.backend() == "tensorflow" and bool(accelerator_name())


def set_up_runtime(*, seed: int, precision: str, deterministic: bool) -> str:
    """Seeds every generator and sets the global numeric policy.

    Args:
        seed: Seed of Python, NumPy and the Keras backend.
        precision: One of `PRECISIONS`.
        deterministic: Whether operations must give the same bits every time,
            at some cost in speed; needed for exact resuming.

    Returns:
        The resolved precision policy, e.g. `float32`.
    """
    import keras

    set_conventions()
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Its hints about retracing are for authors of loops, not for users.
        tf.get_logger().setLevel(logging.ERROR)
        if deterministic:
            tf.config.experimental.enable_op_determinism()
    policy = choose_precision(precision, accelerator_name())
    keras.config.set_dtype_policy(policy)
    return policy


def installed_versions() -> dict[str, str]:
    """Returns package -> version, for the packages that decide results."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
