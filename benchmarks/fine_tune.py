"""Fine-tuning MobileNetV2 from block 13 on, seconds an epoch."""

from collections.abc import Callable

import keras
import numpy as np

from benchmarks.harness import Section, assets, interleave, mobilenet_weights
from tlkeras.console import Console
from tlkeras.data.batches import row_batches, training_batches
from tlkeras.data.load import load_dataset
from tlkeras.data.views import UNCHANGED
from tlkeras.features.freezing import freeze_network
from tlkeras.features.frozen import FeatureSettings
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.cutoffs import find_cutoff
from tlkeras.models.split import choose_cut, split_classifier
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.reading import reader_factory

SIZE, BATCH, CUTOFF = 160, 32, "block_13_expand"


def run() -> Section:
    """Measures recomputing, live engine, cache and a bare loop."""
    dataset = load_dataset(str(assets() / "datasets" / "clothing"))
    split = dataset.splits["train"]
    classifier = build_classifier(
        "MobileNetV2",
        class_names=dataset.class_names,
        weights=mobilenet_weights(),
        image_size=SIZE,
    )
    freeze(classifier, trainable_from=CUTOFF, batch_norm="frozen")
    backbone = classifier.backbone
    cut = choose_cut(backbone, find_cutoff(backbone, CUTOFF))
    parts = split_classifier(classifier, cut)
    prefix = freeze_network(
        parts.prefix,
        split,
        reader_factory(SIZE),
        UNCHANGED,
        FeatureSettings(num_workers=2),
        Console(quiet=True),
    )
    rows = prefix.activations(split, UNCHANGED, what="rows")
    frozen = FrozenPart(parts, prefix, rows, rows)
    reader = reader_factory(SIZE)
    steps = len(split) // BATCH

    def order():  # type: ignore[no-untyped-def]
        return row_batches(
            len(split), batch_size=BATCH, seed=0, first_epoch=0, num_epochs=1
        )

    def pixels():  # type: ignore[no-untyped-def]
        return training_batches(
            reader(split, UNCHANGED),
            order(),
            seed=0,
            class_weights=None,
            num_workers=2,
        )

    # The same layers in both models: compiled apart, trained in turns.
    whole = keras.Model(classifier.model.inputs, classifier.model.outputs)
    models = {"whole": whole, "suffix": parts.suffix}
    for model in models.values():
        model.compile(
            keras.optimizers.SGD(1e-5),
            keras.losses.CategoricalCrossentropy(from_logits=True),
        )

    def fit(name: str, batches: Callable) -> None:  # type: ignore[type-arg]
        models[name].fit(batches(), steps_per_epoch=steps, verbose=0)

    seconds = interleave(
        {
            "recomputed": lambda: fit("whole", pixels),
            "live": lambda: fit(
                "suffix", lambda: frozen.live_batches(pixels())
            ),
            "cached": lambda: fit(
                "suffix", lambda: frozen.cached_batches(order(), split, None)
            ),
            "bare": bare_loop(
                parts.suffix, rows.all_rows()[0], split.targets, steps
            ),
        },
        rounds=5,
    )
    return describe(seconds, parts.frontier_shapes, len(split))


def bare_loop(
    suffix: keras.Model, inputs: np.ndarray, targets: np.ndarray, steps: int
) -> Callable[[], None]:
    """The fastest loop over the same tail: one function, arrays in memory."""
    import tensorflow as tf

    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(1e-5)
    variables = suffix.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step(x, y):  # type: ignore[no-untyped-def]
        with tf.GradientTape() as tape:
            value = loss(y, suffix(x, training=True))
        gradients = tape.gradient(value, [v.value for v in variables])
        optimizer.apply(gradients, variables)

    def epoch() -> None:
        order = np.random.default_rng(0).permutation(len(inputs))
        for i in range(steps):
            rows = order[i * BATCH : (i + 1) * BATCH]
            step(tf.constant(inputs[rows]), tf.constant(targets[rows]))

    return epoch


def describe(
    seconds: dict[str, float], shapes: list[tuple[int, ...]], count: int
) -> Section:
    """Returns the table."""
    names = {
        "recomputed": "`fit` of the whole model, prefix recomputed",
        "live": "tlkeras, prefix live through the engine",
        "cached": "tlkeras, cached activations",
        "bare": "bare tf.function loop over the tail, arrays in memory",
    }
    rows = [["side", "s an epoch", "against recomputing"]]
    rows += [
        [
            text,
            f"{seconds[name]:.2f}",
            f"{seconds['recomputed'] / seconds[name]:.2f}x",
        ]
        for name, text in names.items()
    ]
    return Section(
        "Fine-tuning MobileNetV2 1.0 from block_13_expand, 160 px, float32",
        rows,
        [
            f"{count} photos of clothing, batch {BATCH}, no augmentation, SGD; "
            f"the cache holds {shapes} an image.",
            "The limit is the bare loop: the cached epoch takes "
            f"{seconds['cached'] / seconds['bare']:.2f}x of it.",
        ],
    )
