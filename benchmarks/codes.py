"""JPEG files -> CNN codes on disk, MobileNetV2 1.0 at 160 px, float32."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from benchmarks.harness import Section, assets, interleave, mobilenet_weights
from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.load import load_dataset
from tlkeras.data.parallel import ordered_map
from tlkeras.data.views import UNCHANGED
from tlkeras.features.activations import Activations
from tlkeras.features.cache import ActivationCache
from tlkeras.features.engine import Engine
from tlkeras.features.engines import choose_engine
from tlkeras.features.freezing import freeze_network
from tlkeras.features.frozen import FeatureSettings, FrozenPrefix
from tlkeras.models.classifier import build_classifier
from tlkeras.models.split import split_classifier
from tlkeras.training.reading import reader_factory

SIZE = 160
WORKERS = 2


def run() -> Section:
    """Measures both engines, plain Keras, a cache hit, and the limits."""
    folder = assets() / "datasets" / "clothing" / "train"
    split = load_dataset(str(folder.parent)).splits["train"]
    network = keras.applications.MobileNetV2(
        (SIZE, SIZE, 3),
        include_top=False,
        pooling="avg",
        weights=mobilenet_weights(),
    )
    prefix = build_prefix(split)
    engines = {
        name: choose_engine(
            prefix.network.prefix,
            np.zeros((8, SIZE, SIZE, 3), np.uint8),
            engine=name,
            num_streams=WORKERS,
        ).engine
        for name in ("openvino", "keras")
    }
    with tempfile.TemporaryDirectory() as temporary:
        warm = activations(prefix, split, engines["openvino"])
        warm.cache = ActivationCache(Path(temporary) / "warm", prefix.layout)
        warm.fill(1)
        jobs = {
            "plain": lambda: plain_keras(network, folder, temporary),
            **{
                f"tlkeras {name}": lambda engine=engine: cold(
                    prefix, split, engine
                )
                for name, engine in engines.items()
            },
            "hit": lambda: hit(prefix, split, Path(temporary) / "warm"),
            "decode": lambda: decode_alone(prefix, split),
            **{
                f"alone {name}": lambda engine=engine: engine_alone(
                    engine, len(split)
                )
                for name, engine in engines.items()
            },
        }
        seconds = interleave(jobs, rounds=5)
    return describe(seconds, len(split))


def build_prefix(split: Split) -> FrozenPrefix:
    """Returns the prefix up to the pooled codes."""
    classifier = build_classifier(
        "MobileNetV2",
        class_names="ab",
        weights=mobilenet_weights(),
        image_size=SIZE,
    )
    parts = split_classifier(classifier, 10**6)
    return freeze_network(
        parts.prefix,
        split,
        reader_factory(SIZE),
        UNCHANGED,
        FeatureSettings(num_workers=WORKERS),
        Console(quiet=True),
    )


def plain_keras(network: keras.Model, folder: Path, temporary: str) -> None:
    """What most users write."""
    images = keras.utils.image_dataset_from_directory(
        folder,
        image_size=(SIZE, SIZE),
        batch_size=32,
        shuffle=False,
        verbose=False,
    )
    images = images.map(
        lambda x, y: keras.applications.mobilenet_v2.preprocess_input(x)
    )
    codes = network.predict(images, verbose=0)
    np.save(Path(temporary) / "codes.npy", codes)


def activations(
    prefix: FrozenPrefix, split: Split, engine: Engine
) -> Activations:
    """Returns activations over a given engine, without a cache yet."""
    return Activations(
        get_engine=lambda: engine,
        read_images=prefix.make_reader(split, UNCHANGED),
        digests=split.digests,
        cache=None,
        num_workers=WORKERS,
    )


def cold(prefix: FrozenPrefix, split: Split, engine: Engine) -> None:
    """Fills a new cache folder."""
    with tempfile.TemporaryDirectory() as folder:
        rows = activations(prefix, split, engine)
        rows.cache = ActivationCache(Path(folder) / "store", prefix.layout)
        assert rows.fill(1) == len(split)


def hit(prefix: FrozenPrefix, split: Split, folder: Path) -> None:
    """Opens a full cache, compares its checksums and reads all rows."""
    cache = ActivationCache(folder, prefix.layout)
    keys = [(digest, 0) for digest in split.digests]
    assert not cache.missing(keys)
    assert len(cache.read(keys)[0]) == len(split)


def decode_alone(prefix: FrozenPrefix, split: Split) -> None:
    """Decodes all images, as the workers do."""
    read = prefix.make_reader(split, UNCHANGED)
    rows = np.arange(len(split))
    for _ in ordered_map(
        lambda i: read(rows[i : i + 8], rows[i : i + 8] * 0),
        range(0, len(split), 8),
        num_workers=WORKERS,
    ):
        pass


def engine_alone(engine: Engine, count: int) -> None:
    """Runs the engine on images in memory."""
    images = np.zeros((8, SIZE, SIZE, 3), np.uint8)
    for _ in ordered_map(
        lambda _: engine.run(images), range(count // 8), num_workers=WORKERS
    ):
        pass


def describe(seconds: dict[str, float], count: int) -> Section:
    """Returns the table of ratios."""
    rate = {name: count / value for name, value in seconds.items()}
    rows = [["side", "images a second", "against plain Keras", "of its limit"]]
    rows.append(
        [
            "image_dataset_from_directory + predict",
            f"{rate['plain']:.0f}",
            "1",
            "",
        ]
    )
    for name in ("openvino", "keras"):
        limit = 1 / (1 / rate["decode"] + 1 / rate[f"alone {name}"])
        rows.append(
            [
                f"tlkeras, engine {name}, cold cache",
                f"{rate[f'tlkeras {name}']:.0f}",
                f"{rate[f'tlkeras {name}'] / rate['plain']:.2f}x",
                f"{rate[f'tlkeras {name}'] / limit:.0%} of {limit:.0f}",
            ]
        )
    rows.append(
        [
            "tlkeras, warm cache",
            f"{rate['hit']:.0f}",
            f"{rate['hit'] / rate['plain']:.0f}x",
            f"{rate['hit'] / rate['tlkeras openvino']:.0f}x the cold cache",
        ]
    )
    alone = ", ".join(
        f"{name} {rate[name]:.0f}"
        for name in ("decode", "alone openvino", "alone keras")
    )
    return Section(
        "JPEG files to codes on disk, MobileNetV2 1.0, 160 px, float32",
        rows,
        [
            f"{count} photos of clothing; engines compiled and models built "
            "before the clock starts.",
            "The limit is the harmonic sum of decoding alone and the engine "
            f"alone on the same two cores (images a second): {alone}.",
        ],
    )
