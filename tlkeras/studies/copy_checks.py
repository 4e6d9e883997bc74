"""Whether splits share pictures that hashes miss, found by their codes."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.checks.neighbouring_names import check_neighbouring_names
from tlkeras.checks.result import CheckResult
from tlkeras.checks.split_leaks import check_copies
from tlkeras.checks.suite import Suite
from tlkeras.data.dataset import Split
from tlkeras.data.perceptual_hash import nearest_hashes
from tlkeras.data.same_pictures import find_same_pictures
from tlkeras.features.neighbours import comparable, find_nearest

NEAREST = 8  # images that may be the same as one
MIN_SIMILARITY = 0.75  # of codes; 98 % of planted copies had .78 or more
COPY_COLUMNS = ["path", "split", "copy", "copy_split"]
Placed = tuple[str, str]  # an image's path, and its split
# Two splits -> for each image of the second, the nearest of the first: places
# [N, K] and similarities [N, K].
Nearest = Mapping[tuple[str, str], tuple[np.ndarray, np.ndarray]]


def run_copy_checks(
    suite: Suite,
    splits: Mapping[str, Split],
    codes: Mapping[str, np.ndarray],
    num_left: int = 0,
) -> None:
    """Compares the images of each two splits.

    Args:
        suite: Collects the results; `near_duplicates.csv` is written beside
            its file.
        splits: Split name -> its images, N.
        codes: Split name -> their codes, float [N, ...].
        num_left: Images that were not drawn.
    """
    nearest = find_nearest_elsewhere(codes)
    num_held = sum(map(len, splits.values())) - len(splits["train"])

    def compare() -> CheckResult:
        found = find_copies(splits, nearest)
        write_copies(suite.path.with_name(workdir.NEAR_DUPLICATES), found)
        named = [
            (f"{path} ({split})", f"{copy} ({copy_split})")
            for (path, split), (copy, copy_split) in found
        ]
        return check_copies(named, num_held=num_held, num_left=num_left)

    suite.run(compare)
    suite.run(
        lambda: check_neighbouring_names(
            [
                (splits[first], splits[second], places[:, 0])
                for (first, second), (places, _) in nearest.items()
            ]
        )
    )


def find_nearest_elsewhere(codes: Mapping[str, np.ndarray]) -> Nearest:
    """Finds for the images of each split the nearest of each earlier one.

    Args:
        codes: Split name -> float [N, ...].
    """
    rows = {name: comparable(values) for name, values in codes.items()}
    return {
        (first, second): find_nearest(rows[second], rows[first], NEAREST)
        for first, second in combinations(codes, 2)
    }


def write_copies(path: Path, found: Sequence[tuple[Placed, Placed]]) -> None:
    """Writes pairs of the same picture, a row each."""
    workdir.write_table(
        path,
        COPY_COLUMNS,
        (
            dict(zip(COPY_COLUMNS, (*first, *second), strict=True))
            for first, second in found
        ),
    )


def find_copies(
    splits: Mapping[str, Split], nearest: Nearest
) -> list[tuple[Placed, Placed]]:
    """Returns pairs of the same picture in two splits, the surest first.

    Codes propose pairs, and so do perceptual hashes, which know strongly
    compressed pictures better.

    Args:
        splits: Split name -> images.
        nearest: By codes.
    """
    files: list[str] = []
    places: list[Placed] = []
    starts: dict[str, int] = {}
    for name, split in splits.items():
        starts[name] = len(files)
        files += split.files
        places += [(path, name) for path in split.paths]
    pairs = set()
    for (first, second), (near, similarities) in nearest.items():
        rows, columns = np.nonzero(similarities >= MIN_SIMILARITY)
        by_codes = zip(near[rows, columns].tolist(), rows.tolist(), strict=True)
        by_hash = nearest_hashes(splits[first], splits[second])
        for a, b in {*by_codes, *((a, b) for _, a, b in by_hash)}:
            pairs.add((starts[first] + a, starts[second] + b))
    if not pairs:
        return []
    found, _ = find_same_pictures(files, np.array(sorted(pairs)))
    return [(places[a], places[b]) for a, b in found.tolist()]
