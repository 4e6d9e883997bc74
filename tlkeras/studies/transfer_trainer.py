"""What a transferability study trains: any of its networks, from its files.

Weights of bases lie in files, so that a study that was ended goes on with the
same ones. What is frozen runs once for a base and a cut; both networks that
begin with it train on the same activations.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.data.dataset import Dataset
from tlkeras.data.epoch import stream_seed
from tlkeras.models.classifier import Classifier
from tlkeras.models.inference import run_batches
from tlkeras.studies.class_halves import Half, take_half
from tlkeras.studies.transfer_networks import NETWORK_KINDS, Network
from tlkeras.studies.transfer_training import (
    EVALUATION_BATCH,
    Images,
    SharedGraph,
    StudySettings,
    TrainedNetwork,
    Weights,
    find_cutoff_above,
    initial_weights,
    join_weights,
)
from tlkeras.training.build import build_from_config
from tlkeras.training.reading import read_pixels

ANSWER = ".json"  # a file that a finished network has


@dataclasses.dataclass(frozen=True)
class Study:
    """What the networks of a study have in common, but for the images.

    Attributes:
        config: Its `model` section counts.
        halves: All targets.
        settings: Of every training.
        source: Weights of A, as for `model.weights`; "" = the other half's.
        directory: Where bases and answers are kept.
    """

    config: ConfigDict
    halves: Sequence[Half]
    settings: StudySettings
    source: str
    directory: Path


class NetworkTrainer:
    """Trains the networks of one study.

    Args:
        study: Which.
        dataset: Whose classes are halved.

    Raises:
        InputError: For weights that do not fit, or an unknown layer.
    """

    def __init__(self, study: Study, dataset: Dataset) -> None:
        self.config = study.config
        self.dataset = dataset
        self.halves = halves = study.halves
        self.settings = study.settings
        self.directory = study.directory
        self.width = max(len(half.classes) for half in halves)
        self._pixels: dict[tuple[str, ...], Images] = {}
        self._graphs: dict[str, SharedGraph] = {}
        self._initial: dict[tuple[int, str], Weights] = {}
        self.template = self.build(study.config.seed, study.source or "none")
        self._pretrained = self.template.model.get_weights()
        self.image_size = self.template.image_size
        self._frozen: tuple[tuple[str, str], dict] = (("", ""), {})

    def build(self, seed: int, weights: str = "none") -> Classifier:
        """Builds a classifier of the study's shape."""
        config = self.config.copy_and_resolve_references()
        config.seed = seed
        config.model.weights = weights
        names = tuple(str(number) for number in range(self.width))
        return build_from_config(
            config, dataclasses.replace(self.dataset, class_names=names)
        )

    def keep(self, network: Network) -> TrainedNetwork:
        """Trains a network, and writes its answer once it is done."""
        trained = self.train(network)
        path = self.path(network, ANSWER)
        workdir.write_json(path, dataclasses.asdict(trained))
        return trained

    def read(self, network: Network) -> TrainedNetwork | None:
        """Returns the answer of a network that is done, else None."""
        path = self.path(network, ANSWER)
        if not path.exists():
            return None
        with workdir.reading(path):
            return TrainedNetwork(**workdir.read_json(path))

    def train(self, network: Network) -> TrainedNetwork:
        """Trains a network, and keeps its weights if it is a base."""
        graph = self._graph(network)
        kind = NETWORK_KINDS[network.kind]
        images = (
            self._activations(graph, network)
            if kind.is_frozen
            else self._images(network.half)
        )
        trained = graph.train(
            self._first_weights(network),
            images,
            seed=stream_seed(network.half.seed, "order"),
        )
        if network.kind == "base":
            weights = graph.classifier.model.get_weights()
            with workdir.replacing(self._path(network.half)) as temporary:
                np.savez(temporary, *weights)
        return trained

    def _graph(self, network: Network) -> SharedGraph:
        """Returns the graph that trains a network; of cuts, keeps the last."""
        place = network.cut if NETWORK_KINDS[network.kind].is_frozen else ""
        if place not in self._graphs:
            whole = {"": self._graphs[""]} if "" in self._graphs else {}
            self._graphs = whole  # cuts come one after the other
            classifier = self.build(self.config.seed)
            cutoff = find_cutoff_above(classifier, place) if place else 0
            num_images = max(
                len(self._images(half).train) for half in self.halves
            )
            self._graphs[place] = SharedGraph(
                classifier, cutoff, self.settings, num_images
            )
        return self._graphs[place]

    def _images(self, half: Half) -> Images:
        if half.classes not in self._pixels:
            parts = []
            for name in ("train", "validation"):
                split = take_half(
                    self.dataset.splits[name], self.dataset, half, self.width
                )
                parts += [read_pixels(split, self.image_size), split.targets]
            self._pixels[half.classes] = Images(*parts)
        return self._pixels[half.classes]

    def _activations(self, graph: SharedGraph, network: Network) -> Images:
        """Returns a target's images as the frozen part sees them."""
        lower = self._lower_owner(network)
        key = (network.cut, self._path(lower).name if lower else "")
        if self._frozen[0] != key:
            self._frozen = (key, {})
        found = self._frozen[1]
        classes = network.half.classes
        if classes not in found:
            graph.put(self._lower_weights(network))
            pixels = self._images(network.half)
            found[classes] = dataclasses.replace(
                pixels,
                train=_run(graph, pixels.train),
                validation=_run(graph, pixels.validation),
            )
        return found[classes]

    def _first_weights(self, network: Network) -> Weights:
        kind, seed = NETWORK_KINDS[network.kind], network.half.seed
        if network.kind == "base":
            return self._random(seed, "base")
        if kind.upper == "own":
            return self._base_weights(network.half)
        classifier = self._graph(network).classifier
        return join_weights(
            classifier,
            self._lower_weights(network),
            self._random(seed, "upper"),
            find_cutoff_above(classifier, network.cut),
        )

    def _random(self, seed: int, part: str) -> Weights:
        if (seed, part) not in self._initial:
            self._initial[seed, part] = initial_weights(self.build, seed, part)
        return self._initial[seed, part]

    def _lower_owner(self, network: Network) -> Half | None:
        """Returns whose base gives the lower part; None = the pretrained."""
        half = network.half
        if NETWORK_KINDS[network.kind].lower == "own":
            return half
        return next(
            (
                other
                for other in self.halves
                if (other.seed, other.name) == (half.seed, half.other)
            ),
            None,
        )

    def _lower_weights(self, network: Network) -> Weights:
        owner = self._lower_owner(network)
        if owner is not None:
            return self._base_weights(owner)
        return self._pretrained

    def _base_weights(self, half: Half) -> Weights:
        path = self._path(half)
        with workdir.reading(path), np.load(path) as stored:
            return [stored[name] for name in stored.files]

    def path(self, network: Network, suffix: str) -> Path:
        """Returns where a network's answer or weights lie."""
        return self.directory / f"{network.name}{suffix}"

    def _path(self, half: Half) -> Path:
        return self.path(Network(half, "base"), ".npz")


def _run(graph: SharedGraph, pixels: np.ndarray) -> np.ndarray:
    """Returns float32 [N, ...] at the cut, for pixels uint8 [N, S, S, 3]."""
    assert graph.prefix is not None
    return run_batches(
        graph.prefix,
        (
            pixels[i : i + EVALUATION_BATCH]
            for i in range(0, len(pixels), EVALUATION_BATCH)
        ),
    )
