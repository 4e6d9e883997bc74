"""The quick start: one recipe, measured beside what it has to beat."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

from tlkeras.config.quickstart import get_config
from tlkeras.console import Console
from tlkeras.studies.baselines import Figure, compare_pooled, measure_all

CHOSEN = "chosen recipe"
RANDOM = "chosen recipe, random weights"
TOP = "linear probe on the top layer"
RAW = "raw pixels"


def make_recipes(seed: int) -> dict[str, ConfigDict]:
    """Returns the chosen recipe and its two controls."""
    chosen, random, top = (get_config(f"seed={seed}") for _ in range(3))
    random.model.weights = "none"
    top.model.features_from = ""
    top.model.pooling = "average"
    top.phases.fine_tune.epochs = 0
    return {TOP: top, RANDOM: random, CHOSEN: chosen}


def run_quickstart(
    num_seeds: int, directory: Path, *, console: Console
) -> dict[str, list[Figure]]:
    """Measures the recipe and its controls; goes on where it ended.

    Args:
        num_seeds: Each divides the digits and draws ten a class.
        directory: Gets a folder of runs a seed, `seed_0` and on.
        console: Told what is measured.

    Returns:
        Recipe -> a figure a seed.

    Raises:
        InputError: As training does.
    """
    by_name: dict[str, list[Figure]] = {}
    for seed in range(num_seeds):
        for figure in measure_all(
            make_recipes(seed),
            directory / f"seed_{seed}",
            raw_pixel_size=8,
            console=console,
        ):
            by_name.setdefault(figure.name, []).append(figure)
    return by_name


def format_figures(by_name: Mapping[str, Sequence[Figure]]) -> str:
    """Returns accuracy by recipe, and what the chosen one gains."""
    chosen = list(by_name[CHOSEN])
    lines = [
        f"handwritten digits, 10 labels a class, {len(chosen)} seed(s)",
        f"{'':<32}{'validation':>10}{'test':>8}   chosen recipe's gain",
    ]
    for name in (RAW, TOP, RANDOM, CHOSEN):
        figures = list(by_name[name])
        validation = np.mean([figure.validation for figure in figures])
        test = np.mean([figure.test_scores.mean() for figure in figures])
        line = f"{name:<32}{validation:>10.3f}{test:>8.3f}"
        if name != CHOSEN:
            gain = compare_pooled(chosen, figures)
            low, high = gain.interval
            line += f"   {gain.difference:+.3f} [{low:+.3f}, {high:+.3f}]"
        lines.append(line)
    return "\n".join(lines)
