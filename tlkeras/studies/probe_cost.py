"""What a training step costs if training is cut at some depth."""

import dataclasses
import time

import keras
import numpy as np

from tlkeras import devices
from tlkeras.console import Console
from tlkeras.models.classifier import Classifier, freeze
from tlkeras.models.graph import (
    layer_stages,
    num_multiplications,
    topological_layers,
)
from tlkeras.models.split import split_classifier

BATCH = 32
STEPS = 3


@dataclasses.dataclass(frozen=True)
class StepCost:
    """Cost of training everything above a depth.

    Attributes:
        milliseconds_per_step: Median, batches of 32, on cached activations.
        is_measured: Else interpolated by multiplications between depths that
            were measured.
        frontier_bytes: Of one image in the cache, float32.
    """

    milliseconds_per_step: float
    is_measured: bool
    frontier_bytes: int


def measure_steps(
    classifier: Classifier, depths: list[str], *, console: Console
) -> list[StepCost]:
    """Measures steps at the last depth of each stage, and at the first.

    Args:
        classifier: Its weights are as before afterwards.
        depths: Layers of the backbone, from the stem to the top.
        console: For progress.
    """
    backbone = classifier.backbone
    layers = topological_layers(backbone)
    names = [layer.name for layer in layers]
    cuts = [names.index(name) + 1 for name in depths]
    stages = [layer_stages(backbone)[cut - 1] for cut in cuts]
    chosen = [
        i
        for i in range(len(cuts))
        if i in (0, len(cuts) - 1) or stages[i] != stages[i + 1]
    ]
    above = [
        sum(num_multiplications(layer) for layer in layers[cut:])
        for cut in cuts
    ]
    saved = [np.array(w) for w in classifier.model.get_weights()]
    measured = {}
    console.start("steps", len(chosen))
    for done, index in enumerate(chosen, 1):
        measured[index] = _measure(classifier, cuts[index], names)
        console.advance_to(done)
    console.stop()
    classifier.model.set_weights(saved)
    order = sorted(measured, key=lambda i: above[i])
    times = np.interp(
        above, [above[i] for i in order], [measured[i] for i in order]
    )
    return [
        StepCost(
            round(float(times[i]), 3), i in measured, _frontier(classifier, cut)
        )
        for i, cut in enumerate(cuts)
    ]


def _frontier(classifier: Classifier, cut: int) -> int:
    shapes = split_classifier(classifier, cut).frontier_shapes
    return 4 * int(sum(np.prod(shape) for shape in shapes))


def _measure(classifier: Classifier, cut: int, names: list[str]) -> float:
    """Returns milliseconds of a step, without the first, which compiles."""
    cutoff = names[cut] if cut < len(names) else "none"
    freeze(classifier, trainable_from=cutoff, batch_norm="frozen")
    parts = split_classifier(classifier, cut)
    bare = keras.Model(parts.suffix.inputs, parts.suffix.outputs)
    bare.compile(
        optimizer=keras.optimizers.SGD(0.0),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=devices.should_compile_with_xla(),
    )
    rng = np.random.default_rng(0)
    inputs = [
        rng.random((BATCH, *shape), np.float32)
        for shape in parts.frontier_shapes
    ]
    targets = np.zeros((BATCH, len(classifier.class_names)), np.float32)
    targets[:, 0] = 1.0
    x = inputs[0] if len(inputs) == 1 else inputs
    bare.train_on_batch(x, targets)
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        bare.train_on_batch(x, targets)
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times))
