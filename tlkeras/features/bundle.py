"""A frozen prefix as two files, which a worker opens without Keras.

`graph.pb` is the prefix with constants for variables, `bundle.json` what else
decides its numbers. The folder is named by the hash of both, so that no worker
computes with another network than the one that its task was made for.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.data.definition import ImageDefinition
from tlkeras.errors import InputError
from tlkeras.features.engine import CPU_BATCH, Engine, FrozenNetwork, pad
from tlkeras.features.layout import Layout
from tlkeras.features.openvino_graph import open_openvino
from tlkeras.tables import lookup

GRAPH = "graph.pb"
SPEC = "bundle.json"


@dataclasses.dataclass(frozen=True)
class GraphEngine:
    """How an engine opens a graph.

    Attributes:
        package: That computes; another version may give other last bits.
        batch_size: Fixed in the graph; None = any.
        open: (graph, output names, precision, number of threads that call
            it) -> `Engine`.
    """

    package: str
    batch_size: int | None
    open: Callable[[bytes, Sequence[str], str, int], Engine]


def _open_openvino(
    graph: bytes, output_names: Sequence[str], precision: str, num_streams: int
) -> Engine:
    return open_openvino(
        graph, output_names, precision=precision, num_streams=num_streams
    )


def _open_tensorflow(
    graph: bytes, output_names: Sequence[str], precision: str, _: int
) -> Engine:
    from tlkeras.frozen_graph import open_graph
    from tlkeras.startup import quiet_frameworks

    quiet_frameworks()
    compute = open_graph(graph, output_names)

    def run(images: np.ndarray) -> list[np.ndarray]:
        outputs = compute(pad(images, CPU_BATCH))
        return [np.asarray(x[: len(images)], np.float32) for x in outputs]

    return Engine("keras", precision, CPU_BATCH, run)


# Of `engines.ENGINES`, those that compute a graph without Keras.
GRAPH_ENGINES = {
    "openvino": GraphEngine("openvino", CPU_BATCH, _open_openvino),
    "keras": GraphEngine("tensorflow", None, _open_tensorflow),
}


@dataclasses.dataclass(frozen=True)
class Bundle:
    """What decides the numbers of a prefix, beside its graph.

    Attributes:
        engine: Key of `GRAPH_ENGINES`.
        precision: What the engine computes in.
        image_size: Side S of the images, pixels.
        definition: Fields of an `ImageDefinition`.
        output_names: Of the graph.
        shapes: Of the frontier tensors, without the batch dimension.
        storage: dtype on disk.
        graph: Hash of `graph.pb`.
        versions: Package -> version, of what computes and decodes.
    """

    engine: str
    precision: str
    image_size: int
    definition: dict[str, Any]
    output_names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    storage: str
    graph: str
    versions: dict[str, str]

    @property
    def layout(self) -> Layout:
        """Of a row."""
        return Layout(tuple(map(tuple, self.shapes)), self.storage)

    @property
    def pixels(self) -> ImageDefinition:
        """What the pixels of an image are."""
        return ImageDefinition(**self.definition)


def write_bundle(
    folder: Path,
    network: FrozenNetwork,
    definition: ImageDefinition,
    layout: Layout,
) -> Path:
    """Writes a prefix as workers compute with it, unless that is there whole.

    Args:
        folder: Of bundles.
        network: With the engine that workers take.
        definition: What the pixels of an image are.
        layout: Of a row.

    Returns:
        The bundle's own folder.

    Raises:
        InputError: If the folder cannot be written.
    """
    decision = network.decision
    row = lookup(GRAPH_ENGINES, decision.engine, what="engine")
    content, output_names = network.serialize(row.batch_size)
    bundle = Bundle(
        engine=decision.engine,
        precision=decision.precision,
        image_size=network.image_size,
        definition=dataclasses.asdict(definition),
        output_names=output_names,
        shapes=layout.shapes,
        storage=layout.storage,
        graph=_hash(content),
        versions=_versions(row),
    )
    text = json.dumps(dataclasses.asdict(bundle), indent=2, sort_keys=True)
    return _write_files(folder, text.encode(), content)


def _write_files(folder: Path, text: bytes, content: bytes) -> Path:
    directory = folder / _hash(text)
    workdir.make_directory(directory, what="folder of the bundle")
    for name, written in ((GRAPH, content), (SPEC, text)):
        path = directory / name
        if path.exists() and path.read_bytes() == written:
            continue  # workers may be reading it
        with workdir.replacing(path) as temporary:
            temporary.write_bytes(written)
    return directory


def read_bundle(directory: Path) -> tuple[Bundle, bytes]:
    """Reads a bundle and its graph.

    Args:
        directory: From `write_bundle`.

    Raises:
        InputError: If it is missing or damaged, or was written with other
            versions of what computes.
    """
    with workdir.reading(directory / SPEC):
        text = (directory / SPEC).read_bytes()
        bundle = Bundle(**json.loads(text))
        content = (directory / GRAPH).read_bytes()
    if (_hash(text), _hash(content)) != (directory.name, bundle.graph):
        raise InputError(
            f"The bundle '{directory}' is damaged; expected the files that its "
            "name is the hash of: delete it and start the command again."
        )
    _require_same_versions(bundle)
    return bundle, content


def open_bundle(
    directory: Path, *, num_streams: int = 1
) -> tuple[Bundle, Engine]:
    """Opens a bundle.

    Args:
        directory: From `write_bundle`.
        num_streams: Threads that will call the engine.

    Raises:
        InputError: As `read_bundle`, or if this machine computes in another
            way than the one that wrote it.
    """
    bundle, content = read_bundle(directory)
    engine = lookup(GRAPH_ENGINES, bundle.engine, what="engine").open(
        content, bundle.output_names, bundle.precision, num_streams
    )
    if engine.precision != bundle.precision:
        raise InputError(
            f"This worker's processor computes in {engine.precision}, not in "
            f"{bundle.precision} as the bundle asks; expected workers of one "
            "kind: set --config.features.precision=float32."
        )
    return bundle, engine


def _require_same_versions(bundle: Bundle) -> None:
    here = _versions(lookup(GRAPH_ENGINES, bundle.engine, what="engine"))
    for package, version in bundle.versions.items():
        if here.get(package) != version:
            raise InputError(
                f"This worker has {package} {here.get(package)}, the command "
                f"{version}; expected the same, for the same numbers: run pip "
                f"install {package}=={version} on the workers."
            )


def _versions(row: GraphEngine) -> dict[str, str]:
    return {
        package: metadata.version(package)
        for package in (row.package, "pillow", "tlkeras")
        if _is_installed(package)
    }


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False  # tensorflow-cpu, say, and tlkeras from its source
    return True


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
