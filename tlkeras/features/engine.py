"""What an engine is: a compiled prefix, and the row that describes its kind."""

import dataclasses
from collections.abc import Callable
from typing import Protocol

import numpy as np

# Images a call. On CPUs 8 is best or near best for both engines; a GPU is not
# busy with so few.
CPU_BATCH = 8
ACCELERATOR_BATCH = 128


@dataclasses.dataclass(frozen=True)
class Engine:
    """A compiled prefix.

    Attributes:
        name: Key of `engines.ENGINES`.
        precision: `float32`, `bfloat16` or `float16`: what it really computes
            in, which is not always what it was asked for.
        batch_size: Images a call; fewer are padded.
        run: [n <= batch_size, S, S, 3] in 0..255 -> list of float32
            [n, ...], one for each frontier tensor. Thread-safe.
    """

    name: str
    precision: str
    batch_size: int
    run: Callable[[np.ndarray], list[np.ndarray]]


@dataclasses.dataclass(frozen=True)
class EngineSpec:
    """How engines of a kind are built, and where they can be used.

    Attributes:
        build: (prefix, *, precision, num_streams, dtype) -> `Engine`. Where
            the processor does not compute in the precision, the engine
            computes in float32 and says so.
        precisions: dtype of a prefix' outputs -> what `build` may be asked to
            compute it in, on the right processor.
        obstacle: () -> why it cannot be used here, or "".
        capabilities: () -> what the processor offers it, in its own words; a
            remembered decision on a precision depends on it.
        uses_accelerator: Else `auto` leaves it aside where there is one.
    """

    build: Callable[..., Engine]
    precisions: Callable[[str], tuple[str, ...]]
    obstacle: Callable[[], str] = lambda: ""
    capabilities: Callable[[], tuple[str, ...]] = tuple
    uses_accelerator: bool = False


@dataclasses.dataclass(frozen=True)
class Decision:
    """Engine and precision, and why.

    Attributes:
        engine: Key of `engines.ENGINES`.
        precision: What it really computes in; names the stores.
        reason: For people, with the figures of the checks.
    """

    engine: str
    precision: str
    reason: str


class FrozenNetwork(Protocol):
    """A frozen network with the engine that computes it."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the frontier tensors, without the batch dimension."""
        ...

    @property
    def image_size(self) -> int:
        """Side S of its images, pixels."""
        ...

    @property
    def graph(self) -> str:
        """Hash of the network, 24 hex digits."""
        ...

    @property
    def decision(self) -> Decision:
        """Which engine, and why."""
        ...

    @property
    def engine(self) -> Engine:
        """The engine, compiled at the first use."""
        ...

    def require_graph(self) -> None:
        """Makes sure that processes without Keras can compute it too.

        Raises:
            InputError: If not.
        """
        ...

    def serialize(
        self, batch_size: int | None
    ) -> tuple[bytes, tuple[str, ...]]:
        """Returns the network as a GraphDef, and the names of its outputs.

        Args:
            batch_size: Fixed number of images; None = any.
        """
        ...


def pad(images: np.ndarray, size: int) -> np.ndarray:
    """Returns images [n, ...] with black ones after them: [max(n, size), ...].

    Engines see one batch size only: another one would be compiled anew, and
    its last bits would differ.
    """
    missing = size - len(images)
    if missing <= 0:
        return images
    return np.concatenate(
        [images, np.zeros((missing, *images.shape[1:]), images.dtype)]
    )
