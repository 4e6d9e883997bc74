"""A frozen network that an earlier command prepared, opened without Keras.

`prepared/QUESTION.json` below the cache folder names a bundle and the hash of
its network. The question is the hash of whatever decides about the network;
whoever asks knows what that is.
"""

import functools
from pathlib import Path

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.definition import ImageDefinition
from tlkeras.errors import InputError
from tlkeras.features.bundle import (
    Bundle,
    open_bundle,
    read_bundle,
    write_bundle,
)
from tlkeras.features.engine import Decision, Engine, FrozenNetwork
from tlkeras.features.layout import Layout

LIGHT_ENGINE = "openvino"  # of `bundle.GRAPH_ENGINES`, without TensorFlow


class PreparedNetwork(FrozenNetwork):
    """What `CheckedEngine` chose, and froze.

    Args:
        directory: Of the bundle.
        graph: Hash of the network.
        num_streams: Threads that will call the engine.
        console: For people.

    Attributes:
        bundle: What it holds beside the graph.

    Raises:
        InputError: As `bundle.read_bundle`.
    """

    def __init__(
        self, directory: Path, graph: str, num_streams: int, console: Console
    ) -> None:
        self.bundle: Bundle = read_bundle(directory)[0]
        self._directory = directory
        self._graph = graph
        self._num_streams = num_streams
        self._console = console

    @property
    def image_size(self) -> int:
        """Side S of its images, pixels."""
        return self.bundle.image_size

    @property
    def graph(self) -> str:
        """Hash of the network, 24 hex digits."""
        return self._graph

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the frontier tensors, without the batch dimension."""
        return self.bundle.layout.shapes

    @functools.cached_property
    def decision(self) -> Decision:
        """Of the command that prepared it."""
        bundle = self.bundle
        reason = "prepared by an earlier command"
        self._console.line(
            f"  engine {bundle.engine} in {bundle.precision}: {reason}"
        )
        return Decision(bundle.engine, bundle.precision, reason)

    @functools.cached_property
    def engine(self) -> Engine:
        """The engine, compiled at the first use."""
        return open_bundle(self._directory, num_streams=self._num_streams)[1]

    def require_graph(self) -> None:
        """Does nothing: it is a graph."""

    def serialize(
        self, batch_size: int | None
    ) -> tuple[bytes, tuple[str, ...]]:
        """Returns the graph as it was frozen, in its own batch size."""
        content = read_bundle(self._directory)[1]
        return content, tuple(self.bundle.output_names)


def find_prepared(
    question: str, *, num_streams: int, console: Console
) -> PreparedNetwork | None:
    """Returns what was prepared, or None.

    Args:
        question: As it was asked then.
        num_streams: Threads that will call the engine.
        console: For people.
    """
    path = _record_path(question)
    try:
        with workdir.reading(path):
            record = workdir.read_json(path)
            directory = _bundles() / str(record["bundle"])
            graph = str(record["graph"])
        return PreparedNetwork(directory, graph, num_streams, console)
    except (OSError, InputError):
        return None


def prepare(
    question: str,
    network: FrozenNetwork,
    definition: ImageDefinition,
    layout: Layout,
) -> None:
    """Keeps a network for later commands, where an engine can open it.

    Nothing is kept where the cache folder cannot be written.

    Args:
        question: The hash of what decides about the network.
        network: At work.
        definition: What the pixels of an image are.
        layout: Of a row.
    """
    if network.decision.engine != LIGHT_ENGINE:
        return
    try:
        workdir.make_directory(_bundles(), what="cache folder")
        workdir.remove_leftovers(_bundles().parent, idle_seconds=workdir.DAY)
        bundle = write_bundle(_bundles(), network, definition, layout)
        record = {"bundle": bundle.name, "graph": network.graph}
        workdir.write_json(_record_path(question), record)
    except (OSError, InputError):
        return


def _bundles() -> Path:
    return workdir.cache_directory() / "prepared" / "bundles"


def _record_path(question: str) -> Path:
    return workdir.cache_directory() / "prepared" / f"{question}.json"
