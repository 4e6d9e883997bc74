"""Each preset's frozen backbone and training step, with random weights."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from benchmarks.harness import Section, interleave
from tlkeras.config.presets import PRESETS, Preset
from tlkeras.features.engine import Engine
from tlkeras.features.engines import choose_engine
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.cutoffs import find_cutoff
from tlkeras.models.split import choose_cut, split_classifier

BATCH, WORKERS, NUM_CLASSES = 32, 2, 10
TRAINABLE_FROM = "stage3"  # of the default fine-tuning
Job = Callable[[], object]


def run() -> Section:
    """Measures codes and steps of all presets in turns."""
    jobs: dict[str, Job] = {}
    for name, preset in PRESETS.items():
        jobs[f"{name}, codes"], jobs[f"{name}, step"] = make_jobs(preset)
    seconds = interleave(jobs, rounds=5)
    base = next(iter(PRESETS))
    rows = [
        [
            "preset",
            "network",
            "codes, images/s",
            f"against {base}",
            "training, images/s",
            f"against {base}",
        ]
    ]
    for name, preset in PRESETS.items():
        row = [name, f"{preset.backbone}, {preset.image_size} px"]
        for kind in ("codes", "step"):
            own = seconds[f"{name}, {kind}"]
            ratio = seconds[f"{base}, {kind}"] / own
            row += [f"{BATCH / own:.1f}", f"{ratio:.2f}x"]
        rows.append(row)
    return Section(
        "What a preset costs, random weights, float32",
        rows,
        [
            f"Codes: {BATCH} images through the fastest exact engine. "
            f"Training: a batch of {BATCH} from {TRAINABLE_FROM} on, its "
            "frozen part computed live by the engine, SGD.",
        ],
    )


def make_jobs(preset: Preset) -> tuple[Job, Job]:
    """Returns what computes the codes of a batch, and what trains on one."""
    size = preset.image_size
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (BATCH, size, size, 3), np.uint8)
    targets = np.eye(NUM_CLASSES)[generator.integers(0, NUM_CLASSES, BATCH)]
    classifier = build_classifier(
        preset.backbone,
        class_names=[str(number) for number in range(NUM_CLASSES)],
        weights="none",
        image_size=size,
    )
    engine = compile_prefix(classifier.code_model, images)
    freeze(classifier, trainable_from=TRAINABLE_FROM, batch_norm="frozen")
    backbone = classifier.backbone
    cut = choose_cut(backbone, find_cutoff(backbone, TRAINABLE_FROM))
    parts = split_classifier(classifier, cut)
    lower = compile_prefix(parts.prefix, images)
    parts.suffix.compile(
        keras.optimizers.SGD(1e-5),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )

    def step() -> None:
        frontier = compute(lower, images)
        inputs = frontier if len(frontier) > 1 else frontier[0]
        parts.suffix.train_on_batch(inputs, targets)

    return lambda: compute(engine, images), step


def compile_prefix(prefix: keras.Model, images: np.ndarray) -> Engine:
    """Returns the fastest exact engine for it."""
    return choose_engine(prefix, images[:8], num_streams=WORKERS).engine


def compute(engine: Engine, images: np.ndarray) -> list[np.ndarray]:
    """Returns the outputs for a batch, by as many threads as cores."""
    size = engine.batch_size
    chunks = [images[i : i + size] for i in range(0, len(images), size)]
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = list(pool.map(engine.run, chunks))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]
