"""Measure whether a more related source is worth more.

Purpose: the question of Oquab et al. 2014, table 2 (more, and more related,
pretraining helps), with sources of equal size: 52 classes of 500 drawings, the
same network and the same number of steps. `textures` share nothing with the
target but edges, `letters` are drawn with strokes, `glyphs` hold the printed
digits themselves. Target: handwritten digits, 10 labels a class. A linear
classifier on frozen features, at a fixed early depth, at the top, and at the
depth that validation prefers.

Commands:
  python configs/related_source.py             three sources, 5 seeds
  python configs/related_source.py --seeds=1   a quick look
"""

import argparse
from pathlib import Path

import pretrain_letters
import quickstart
from ml_collections import ConfigDict

SOURCES = ("textures", "letters", "glyphs")
RANDOM = "random weights"
FIXED = "conv_pw_5_relu"  # the quick start's
TOP = "conv_pw_13_relu"
DEPTHS = (
    "conv_pw_3_relu",
    FIXED,
    "conv_pw_7_relu",
    "conv_pw_9_relu",
    "conv_pw_11_relu",
    TOP,
)
BEST = "best depth"


def pretrain(source: str, directory: Path) -> str:
    """Trains a source's network, if need be; returns its weights."""
    import tlkeras
    from tlkeras.console import Console

    config = pretrain_letters.get_config(source)
    # Of 26 000 drawings with one recipe some pair is alike by chance.
    config.checks.strict = False
    tlkeras.train_and_evaluate(config, directory, console=Console())
    return str(directory)


def get_config(weights: str, depth: str, seed: int) -> ConfigDict:
    """Returns a linear classifier on frozen features of the digits.

    Args:
        weights: A run directory, or `none`.
        depth: Layer whose flattened map is the feature.
        seed: Of the division and the ten images a class.
    """
    config = quickstart.get_config(f"seed={seed}")
    config.model.weights = weights
    config.model.features_from = depth
    config.phases.fine_tune.epochs = 0
    config.report.enabled = False
    return config


def measure(weights: dict[str, str], seeds: int, directory: Path) -> dict:
    """Measures every source at every depth under every seed.

    Args:
        weights: Source -> a run directory, or `none`.
        seeds: How many.
        directory: Each run goes into a folder of its own below.

    Returns:
        (source, depth) -> one `Figure` a seed; `BEST` is a depth too.
    """
    from tlkeras.studies.baselines import measure_run

    figures: dict = {}
    for source, origin in weights.items():
        for seed in range(seeds):
            row = {}
            for depth in DEPTHS:
                name = f"{source}_{depth}_{seed}".replace(" ", "_")
                config = get_config(origin, depth, seed)
                row[depth] = measure_run(source, config, directory / name)
            row[BEST] = max(row.values(), key=lambda f: f.validation)
            for depth, figure in row.items():
                figures.setdefault((source, depth), []).append(figure)
        print(f"measured: {source}", flush=True)
    return figures


def print_figures(figures: dict, sources: list[str]) -> None:
    """Prints test accuracy, and each source's gain over the one before it."""
    import numpy as np

    from tlkeras.studies.baselines import compare_pooled

    for depth in (FIXED, TOP, BEST):
        print(f"\n{depth}")
        for number, source in enumerate(sources):
            own = figures[source, depth]
            test = np.mean([figure.test_scores.mean() for figure in own])
            line = f"  {source:<16}{test:.3f}"
            if number:
                before = sources[number - 1]
                gain = compare_pooled(own, figures[before, depth])
                low, high = gain.interval
                line += (
                    f"   {gain.difference:+.3f} [{low:+.3f}, {high:+.3f}] "
                    f"over {before}"
                )
            print(line, flush=True)


def main() -> None:
    """Trains the sources, measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--workdir", type=Path, default=Path("runs/related_source")
    )
    arguments = parser.parse_args()

    from tlkeras.startup import import_frameworks

    import_frameworks(lean=True)
    weights = {RANDOM: "none"}
    for source in SOURCES:
        weights[source] = pretrain(source, arguments.workdir / source)
    figures = measure(weights, arguments.seeds, arguments.workdir)
    print_figures(figures, list(weights))


if __name__ == "__main__":
    main()
