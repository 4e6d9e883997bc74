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
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkeras import workdir
from tlkeras.data.definition import ImageDefinition
from tlkeras.errors import InputError
from tlkeras.features.engine import CPU_BATCH, Engine, pad
from tlkeras.features.layout import Layout
from tlkeras.features.openvino_graph import open_openvino
from tlkeras.tables import lookup

if TYPE_CHECKING:
    from tlkeras.features.frozen import FrozenPrefix

GRAPH = "graph.pb"
SPEC = "bundle.json"


@dataclasses.dataclass(frozen=True)
class GraphEngine:
    """How an engine opens a graph.

    Attributes:
        package: That computes; another version may give other last bits.
        batch_size: Fixed in the graph; None = any.
        open: (graph, output names, precision) -> `Engine` for one thread.
    """

    package: str
    batch_size: int | None
    open: Callable[[bytes, Sequence[str], str], Engine]


def _open_openvino(
    graph: bytes, output_names: Sequence[str], precision: str
) -> Engine:
    return open_openvino(
        graph, output_names, precision=precision, num_streams=1
    )


def _open_tensorflow(
    graph: bytes, output_names: Sequence[str], precision: str
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
    folder: Path, prefix: "FrozenPrefix", definition: ImageDefinition
) -> Path:
    """Writes a prefix as workers compute with it, unless that is there.

    Args:
        folder: Of bundles.
        prefix: At work in this process; workers take its engine.
        definition: What the pixels of an image are.

    Returns:
        The bundle's own folder.

    Raises:
        InputError: If the folder cannot be written.
    """
    from tlkeras.frozen_graph import freeze_graph

    decision = prefix.choice.decision
    row = lookup(GRAPH_ENGINES, decision.engine, what="engine")
    network = prefix.prefix
    frozen = freeze_graph(network, batch_size=row.batch_size, dtype="uint8")
    content = frozen.serialize()
    bundle = Bundle(
        engine=decision.engine,
        precision=decision.precision,
        image_size=int(network.inputs[0].shape[1]),
        definition=dataclasses.asdict(definition),
        output_names=frozen.output_names,
        shapes=prefix.layout.shapes,
        storage=prefix.layout.storage,
        graph=_hash(content),
        versions=_versions(row),
    )
    text = json.dumps(dataclasses.asdict(bundle), indent=2, sort_keys=True)
    directory = folder / _hash(text.encode())
    if not (directory / SPEC).exists():
        workdir.make_directory(directory, what="folder of the bundle")
        with workdir.replacing(directory / GRAPH) as temporary:
            temporary.write_bytes(content)
        workdir.write_text(directory / SPEC, text)
    return directory


def open_bundle(directory: Path) -> tuple[Bundle, Engine]:
    """Opens a bundle for one thread.

    Args:
        directory: From `write_bundle`.

    Raises:
        InputError: If it is missing or damaged, or this machine computes in
            another way than the one that wrote it.
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
    row = lookup(GRAPH_ENGINES, bundle.engine, what="engine")
    _require_same_versions(bundle, row)
    engine = row.open(content, bundle.output_names, bundle.precision)
    if engine.precision != bundle.precision:
        raise InputError(
            f"This worker's processor computes in {engine.precision}, not in "
            f"{bundle.precision} as the bundle asks; expected workers of one "
            "kind: set --config.features.precision=float32."
        )
    return bundle, engine


def _require_same_versions(bundle: Bundle, row: GraphEngine) -> None:
    here = _versions(row)
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
