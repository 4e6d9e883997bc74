"""How many changed copies of training images a check finds in the test split.

300 copies are planted in each set, of each kind of change the same number.
What is found beside them is false, but for copies that the set had before.

Command: TLKERAS_ASSETS=DIR python benchmarks/near_duplicates.py [SET ...]
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.harness import assets, mobilenet_weights
from benchmarks.planted_copies import CHANGES, change_of, plant_copies
from tlkeras.data.dataset import Split

SETS = ("clothing", "blood_cells", "sign_digits", "omniglot")
NUM_COPIES = 300


def main(names: list[str]) -> None:
    """Prints a row a set."""
    from tlkeras.startup import import_frameworks

    import_frameworks()
    head = ("set", "images", "recall", "precision", *CHANGES, "by hash")
    print("|", " | ".join(head), "| codes, s | comparing, s |")
    print("|---" * (len(head) + 2) + "|")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            source = assets() / "datasets" / name
            plant_copies(source, Path(folder), NUM_COPIES)
            print("|", " | ".join([name, *measure(folder)]), "|", flush=True)


def measure(folder: str) -> list[str]:
    """Returns the cells of a set."""
    from tlkeras.data.perceptual_hash import find_near_duplicates
    from tlkeras.studies.copy_checks import (
        find_copies,
        find_nearest_elsewhere,
    )

    splits, codes, seconds = compute_codes(folder)
    started = time.perf_counter()
    found = find_copies(splits, find_nearest_elsewhere(codes))
    comparing = time.perf_counter() - started
    kinds = Counter(
        change_of(first, second) for (first, _), (second, _) in found
    )
    num_right = sum(kinds[change] for change in CHANGES)
    hashed = [
        pair
        for a, b in combinations(splits, 2)
        for pair in find_near_duplicates(splits[a], splits[b]).pairs
    ]
    by_hash = sum(bool(change_of(*pair)) for pair in hashed)
    a_kind = NUM_COPIES / len(CHANGES)
    return [
        f"{sum(map(len, splits.values()))}",
        f"{num_right / NUM_COPIES:.3f}",
        f"{num_right / max(len(found), 1):.3f}",
        *(f"{kinds[change] / a_kind:.2f}" for change in CHANGES),
        f"{by_hash / NUM_COPIES:.3f}",
        f"{seconds:.1f}",
        f"{comparing:.1f} ({comparing / seconds:.0%})",
    ]


def compute_codes(
    folder: str,
) -> tuple[Mapping[str, Split], dict[str, np.ndarray], float]:
    """Returns the splits, their codes [N, d], and seconds of computing."""
    from tlkeras.config import get_config
    from tlkeras.console import Console
    from tlkeras.data.load import load_configured
    from tlkeras.features.codes import build_code_model
    from tlkeras.training.build import build_from_config, set_up_model
    from tlkeras.training.prefixes import open_prefix

    config = get_config()
    config.data.source = folder
    config.model.weights = mobilenet_weights()
    config.model.image_size = 160
    config.features.cache = "off"
    set_up_model(config)
    dataset = load_configured(config)
    prefix = open_prefix(
        build_code_model(build_from_config(config, dataset), [""]),
        dataset.splits["train"],
        config,
        Console(quiet=True),
    )
    prefix.engine  # noqa: B018  is compiled before the clock runs
    started = time.perf_counter()
    codes = {
        name: prefix.activations(split, prefix.plain, what="").all_rows()[0]
        for name, split in dataset.splits.items()
    }
    return dataset.splits, codes, time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1:] or list(SETS))
