"""Transfer printed letters to handwritten digits with ten labels a class.

Purpose: the embedded default; nothing is downloaded. A narrow MobileNet that
knows printed letters becomes a reader of handwritten digits (scikit-learn's,
8 x 8 pixels) from 100 labelled images. The letters' top layer is too specific
for that: a linear classifier on it loses to raw pixels. Features from an
earlier stage (conv_pw_5, stride 8), kept as a 4 x 4 map, and then fine-tuned,
win: the lectures' "linear classifier from different stages".

Commands:
  python configs/quickstart.py             four figures, one seed
  python configs/quickstart.py --seeds=5   the table, with paired intervals
  tlkeras train --config=configs/quickstart.py[:seed=1]   the recipe alone

Result (5 seeds, 100 labels, test accuracy): see README.md.
"""

import argparse
import sys
import time
from pathlib import Path

from ml_collections import ConfigDict

from tlkeras.config import defaults

TAP = "conv_pw_5_relu"
CHOSEN = "chosen recipe"
RANDOM = "chosen recipe, random weights"
TOP = "linear probe on the top layer"
RAW = "raw pixels"


def get_config(arguments: str = "seed=0") -> ConfigDict:
    """Returns the chosen recipe.

    Args:
        arguments: `seed=N`, of the division, the subset and the training.
    """
    seed = int(arguments.partition("=")[2] or 0)
    config = defaults.get_config()
    config.seed = seed
    config.data.source = "digits"
    config.data.split = (0.2, 0.3, 0.5)
    config.data.split_seed = seed
    config.data.images_per_class = 10
    config.data.augment.load_scale = 1.0
    config.data.augment.crop_area = (0.7, 1.0)
    config.data.augment.horizontal_flip = False
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "letters"
    config.model.features_from = TAP
    config.model.pooling = "flatten"
    config.phases.linear_probe.epochs = 20
    config.phases.fine_tune.epochs = 40
    config.phases.fine_tune.batch_size = 20
    config.phases.fine_tune.trainable_from = "all"
    # As it was measured.
    config.phases.fine_tune.schedule_args.warmup_epochs = 1.0
    return config


def make_recipes(seed: int) -> dict[str, ConfigDict]:
    """Returns the chosen recipe and its two controls."""
    chosen, random, top = (get_config(f"seed={seed}") for _ in range(3))
    random.model.weights = "none"
    top.model.features_from = ""
    top.model.pooling = "average"
    top.phases.fine_tune.epochs = 0
    return {TOP: top, RANDOM: random, CHOSEN: chosen}


def main() -> None:
    """Measures the recipes and prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--workdir", type=Path, default=Path("runs/quickstart"))
    arguments = parser.parse_args()

    from tlkeras.console import Console
    from tlkeras.errors import InputError
    from tlkeras.startup import import_frameworks

    started = time.perf_counter()
    import_frameworks(lean=True)
    from tlkeras.studies.baselines import measure_all

    by_name: dict[str, list] = {}
    for seed in range(arguments.seeds):
        directory = arguments.workdir / f"seed_{seed}"
        try:
            figures = measure_all(
                make_recipes(seed),
                directory,
                raw_pixel_size=8,
                console=Console(),
            )
        except InputError as error:
            sys.exit(f"quickstart: {error}")
        for figure in figures:
            by_name.setdefault(figure.name, []).append(figure)
    print_figures(by_name)
    print(f"{time.perf_counter() - started:.0f} s")
    page = arguments.workdir / "seed_0" / CHOSEN.replace(" ", "_")
    from tlkeras.report.page import write_report

    print(f"report: {write_report(page)}")


def print_figures(by_name: dict[str, list]) -> None:
    """Prints accuracy by recipe, and what the chosen one gains."""
    import numpy as np

    from tlkeras.studies.baselines import compare_pooled

    seeds = len(by_name[CHOSEN])
    print(f"handwritten digits, 10 labels a class, {seeds} seed(s)")
    print(f"{'':<32}{'validation':>10}{'test':>8}   chosen recipe's gain")
    for name in (RAW, TOP, RANDOM, CHOSEN):
        figures = by_name[name]
        validation = np.mean([figure.validation for figure in figures])
        test = np.mean([figure.test_scores.mean() for figure in figures])
        line = f"{name:<32}{validation:>10.3f}{test:>8.3f}"
        if name != CHOSEN:
            gain = compare_pooled(by_name[CHOSEN], figures)
            low, high = gain.interval
            line += f"   {gain.difference:+.3f} [{low:+.3f}, {high:+.3f}]"
        print(line)


if __name__ == "__main__":
    main()
