"""A small frozen prefix, readers of real JPEGs and inexact engines."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

from tlkeras.console import Console
from tlkeras.data.augmentation import Augmentation
from tlkeras.data.dataset import Split
from tlkeras.data.inspection import digest_of
from tlkeras.data.load import load_dataset
from tlkeras.data.reader import ViewReader
from tlkeras.data.views import Views
from tlkeras.features import (
    engine_choice,
    engines,
    executors,
    image_probe,
    layout,
)
from tlkeras.features.engine import Engine, EngineSpec
from tlkeras.features.engines import ENGINES, engine_obstacle
from tlkeras.features.extraction import Extraction
from tlkeras.features.freezing import freeze_network
from tlkeras.features.frozen import FeatureSettings
from tlkeras.features.keras_engine import build_keras
from tlkeras.models.classifier import build_classifier
from tlkeras.models.graph import topological_layers
from tlkeras.models.split import split_classifier

SIZE = (32, 32)

needs_openvino = pytest.mark.skipif(
    bool(engine_obstacle("openvino")), reason="OpenVINO is not installed"
)


class Lines(Console):
    """A console that remembers its lines."""

    def __init__(self):
        super().__init__(quiet=True)
        self.lines = []

    def line(self, text):
        self.lines.append(text)

    @property
    def text(self):
        return "\n".join(self.lines)


@pytest.fixture(scope="session")
def photo_split(photo_folder):
    return load_dataset(str(photo_folder)).splits["train"]


@pytest.fixture(scope="session")
def letters_classifier():
    return build_classifier(
        "MobileNet",
        class_names=("china", "flower"),
        weights="letters",
        image_size=32,
        alpha=0.25,
        features_from="conv_pw_6_relu",
    )


@pytest.fixture
def make_prefix(photo_split, letters_classifier, tmp_path, monkeypatch):
    """Builds frozen prefixes over a cache folder of the test's own."""
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))

    def make(
        *,
        classifier=letters_classifier,
        cut="middle",
        views=None,
        console=None,
        train=photo_split,
        **settings,
    ):
        names = [x.name for x in topological_layers(classifier.backbone)]
        number = len(names) if cut == "top" else len(names) // 2
        parts = split_classifier(classifier, number)
        return freeze_network(
            parts.prefix,
            train,
            lambda split, shown: ViewReader(split, SIZE, shown),
            views or Views(None, None, seed=3),
            FeatureSettings(**{"num_workers": 2, **settings}),
            console or Lines(),
        )

    return make


@pytest.fixture
def augmented_views():
    return Views(Augmentation(), 3, seed=3)


def round_to_bfloat16(values):
    return keras.ops.cast(keras.ops.cast(values, "bfloat16"), "float32")


def rounding_copy(prefix):
    """Returns a network with weights and layers' outputs in bfloat16.

    What a processor with bfloat16 does, on any processor.
    """

    def call(layer, *arguments, **keywords):
        return keras.tree.map_structure(
            round_to_bfloat16, layer(*arguments, **keywords)
        )

    copy = keras.models.clone_model(prefix, call_function=call, recursive=True)
    weights = [np.array(round_to_bfloat16(w)) for w in prefix.get_weights()]
    copy.set_weights(weights)
    return copy


def build_rounding(prefix, *, precision, **settings):
    """Builds Keras' engine, with rounding where bfloat16 is asked for."""
    network = prefix if precision == "float32" else rounding_copy(prefix)
    exact = build_keras(network, precision="float32", **settings)
    return Engine("rounding", precision, exact.batch_size, exact.run)


def noisy_builder(noise, name="noisy"):
    """Returns what builds engines with noise in bfloat16, none in float32.

    Args:
        noise: Standard deviation, as a share of each tensor's own.
        name: Of the engine.
    """

    def build(prefix, *, precision, **settings):
        exact = build_keras(prefix, precision="float32", **settings)
        share = 0.0 if precision == "float32" else noise
        rng = np.random.default_rng(0)

        def run(images):
            return [
                x + share * x.std() * rng.standard_normal(x.shape, np.float32)
                for x in exact.run(images)
            ]

        return Engine(name, precision, exact.batch_size, run)

    return build


@pytest.fixture
def add_engine(monkeypatch):
    """Adds a row to the table of engines, before the others."""

    def add(name, build, *, precisions=("float32", "bfloat16"), **row):
        spec = EngineSpec(build, precisions=lambda own: precisions, **row)
        table = {name: spec, **ENGINES}
        for module in (engines, engine_choice):
            monkeypatch.setattr(module, "ENGINES", table)

    return add


def assert_equal_tensors(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def store_files(prefix, split):
    """Returns name -> bytes of all files of the store of a split's rows."""
    cache = prefix.cache_of(prefix.plain, split.definition)
    return {
        path.name: path.read_bytes()
        for path in cache.directory.iterdir()
        if path.suffix in (".npy", ".json")
    }


@pytest.fixture
def small_shards(monkeypatch):
    """Lets 56 images fill several shards."""
    monkeypatch.setattr(layout, "MAX_SHARD_ROWS", 16)


@pytest.fixture
def make_extraction(make_prefix, photo_split, small_shards, tmp_path):
    """Builds extractions into stores of the test's own."""

    def make(executor, *, name="tasks", split=photo_split, share=0.0, **rest):
        prefix = make_prefix(store=str(tmp_path / name), **rest)
        console = prefix.console
        return Extraction(
            prefix,
            {"train": split},
            executor,
            max_bad_share=share,
            console=console,
        )

    return make


@pytest.fixture
def reference(make_prefix, photo_split, small_shards, tmp_path):
    """Files of the store that one process fills: engine -> name -> bytes."""

    def compute(engine="auto"):
        prefix = make_prefix(store=str(tmp_path / "reference"), engine=engine)
        prefix.activations(photo_split, prefix.plain, what="images")
        return store_files(prefix, photo_split)

    return compute


# A worker that dies at images which say so, and refuses others.
DYING = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from tlkeras.features import image_probe, shard_task

def dying(decode):
    def decode_or_die(contents, *rest):
        if any(b"ends the process" in content for content in contents):
            os.abort()
        if any(b"is poison" in content for content in contents):
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "is poison")
        return decode(contents, *rest)
    return decode_or_die

for module in (image_probe, shard_task):
    module.decode_contents = dying(module.decode_contents)
image_probe.PROBE = "dying_probe"
from tlkeras.processes import end_with_parent
end_with_parent(int(sys.argv[1]))
"""
DYING_WORKER = """
from tlkeras.features.shard_worker import *
main(Path(sys.argv[2]), TaskFolder(Path(sys.argv[3])))
"""


@pytest.fixture
def dying_workers(tmp_path, monkeypatch):
    """Lets workers abort at images whose bytes hold `ends the process`."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "dying_worker.py").write_text(DYING + DYING_WORKER)
    (folder / "dying_probe.py").write_text(DYING + "image_probe.main()")
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    monkeypatch.setattr(executors, "WORKER", "dying_worker")
    monkeypatch.setattr(image_probe, "PROBE", "dying_probe")
    return folder


def add_files(split, folder, contents):
    """The split with more images, in front."""
    paths = []
    for name, content in contents.items():
        paths.append(folder / name)
        paths[-1].write_bytes(content)
    rows = [0] * len(paths) + [*range(len(split))]
    bigger = split.take(rows)
    return Split(
        (*map(str, paths), *split.paths),
        bigger.targets,
        (*map(digest_of, contents.values()), *split.digests),
    )


def with_comment(split, text):
    """The bytes of a JPEG of a split, with a comment."""
    content = Path(split.paths[0]).read_bytes()
    comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
    return content[:2] + comment + content[2:]
