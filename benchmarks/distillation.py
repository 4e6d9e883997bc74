"""A small network with a larger one as its teacher, and without.

Command: TLKERAS_ASSETS=DIR python benchmarks/distillation.py FOLDER
Runs lie in FOLDER; the command goes on where it was stopped.
"""

import os
import sys
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

ASSETS = Path(os.environ.get("TLKERAS_ASSETS", ""))
MODELS = ASSETS / "keras_home" / "models"
TEACHER = (
    "MobileNetV2",
    1.0,
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5",
    160,
)
PUPIL = ("MobileNet", 0.25, "mobilenet_2_5_224_tf_no_top.h5", 128)
SOURCES = ("clothing", "blood_cells")
SEEDS = (0, 1, 2)
SAMPLES = 10_000  # of the bootstrap


def main() -> None:
    """Prints a row a set of images, on its validation split."""
    if not ASSETS.is_dir() or len(sys.argv) != 2:
        sys.exit("usage: TLKERAS_ASSETS=DIR distillation.py FOLDER")
    from tlkeras.startup import import_frameworks

    import_frameworks()
    print("| images | teacher | alone | taught | taught - alone |")
    print("|---|---|---|---|---|")
    for source in SOURCES:
        print(compare(source, Path(sys.argv[1]) / source), flush=True)


def compare(source: str, folder: Path) -> str:
    """Returns the row of a set: accuracies, and their paired difference."""
    from tlkeras.evaluation.metrics import compare_paired, format_change

    teacher = train(make_config(source, TEACHER, 0), folder / "teacher")
    alone, taught = [], []
    for seed in SEEDS:
        config = make_config(source, PUPIL, seed)
        alone.append(train(config, folder / f"alone-{seed}"))
        config.phases.fine_tune.teacher = str(folder / "teacher")
        taught.append(train(config, folder / f"taught-{seed}"))
    before, after = np.mean(alone, axis=0), np.mean(taught, axis=0)
    paired = compare_paired(before, after, num_samples=SAMPLES)
    change = format_change(paired.difference, paired.interval)
    means = (f"{scores.mean():.3f}" for scores in (teacher, before, after))
    return f"| {source} | {' | '.join(means)} | {change} |"


def make_config(
    source: str, network: tuple[str, float, str, int], seed: int
) -> ConfigDict:
    """Returns the default recipe of a network on a set."""
    from tlkeras.config import get_config

    config = get_config()
    config.seed = seed
    config.data.source = str(ASSETS / "datasets" / source)
    config.model.backbone, config.model.alpha, weights, size = network
    config.model.weights = str(MODELS / weights)
    config.model.image_size = size
    config.evaluation.test_at_end = False
    return config


def train(config: ConfigDict, directory: Path) -> np.ndarray:
    """Returns the scores [N] of a run's answers to the validation images."""
    from tlkeras.console import Console
    from tlkeras.evaluation.evaluate import read_scores
    from tlkeras.training.trainer import train_and_evaluate

    train_and_evaluate(config, directory, console=Console(quiet=True))
    scores = read_scores(directory, "validation")
    return np.array([scores[path] for path in sorted(scores)])


if __name__ == "__main__":
    main()
