"""Trying something on a model, and leaving no trace."""

import contextlib
import zlib
from collections.abc import Iterable, Iterator

import keras


@contextlib.contextmanager
def restored(
    model: keras.Model, optimizer: keras.optimizers.Optimizer | None = None
) -> Iterator[None]:
    """Puts all variables back bit by bit, seed generators too.

    What the model was compiled with stays: compile it again before training.

    Args:
        model: Any.
        optimizer: That is put back too, so that training may go on with it.
    """
    variables = [*model.variables, *(optimizer.variables if optimizer else ())]
    before = [keras.ops.convert_to_numpy(v).copy() for v in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def checksum(variable: keras.Variable) -> int:
    """Returns the CRC-32 of a variable's bytes, about 1 GB a second."""
    value = keras.ops.convert_to_numpy(variable)
    return zlib.crc32(value.tobytes())


def checksums(variables: Iterable[keras.Variable]) -> dict[str, int]:
    """Returns path -> checksum."""
    return {variable.path: checksum(variable) for variable in variables}
