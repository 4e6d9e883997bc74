"""How many planted wrong labels are found, against cleanlab.

5 % of the labels of a set are changed to another class, at random; both sides
see the same held-out probabilities.

Command: TLKERAS_ASSETS=DIR python benchmarks/suspect_labels.py [SET ...]
(with cleanlab's column where it is installed)
"""

import sys

import numpy as np

from benchmarks.harness import assets
from benchmarks.near_duplicates import compute_codes
from tlkeras.evaluation.suspect_labels import find_suspects

SETS = ("clothing", "sign_digits")
SHARE = 0.05
SEEDS = (0, 1, 2)


def main(names: list[str]) -> None:
    """Prints a row for each set, seed and side."""
    from tlkeras.startup import import_frameworks

    import_frameworks()
    head = ["set", "seed", "by", "flagged", "recall", "precision", "at_planted"]
    print("|", " | ".join(head), "|")
    print("|---" * len(head) + "|")
    for name in names:
        source = str(assets() / "datasets" / name)
        splits, codes, _ = compute_codes(source)
        used = ("train", "validation")
        rows = np.concatenate([codes[split] for split in used])
        targets = np.concatenate([splits[split].targets for split in used])
        for seed in SEEDS:
            for cells in measure(rows, targets.argmax(1), seed):
                print("|", " | ".join([name, str(seed), *cells]), "|")


def measure(
    codes: np.ndarray, labels: np.ndarray, seed: int
) -> list[tuple[str, ...]]:
    """Returns the cells of both sides."""
    from tlkeras.studies.suspect_labels import predict_held_out

    rng = np.random.default_rng(seed)
    num_classes = int(labels.max()) + 1
    planted = rng.choice(len(labels), round(SHARE * len(labels)), replace=False)
    given = labels.copy()
    given[planted] += rng.integers(1, num_classes, len(planted))
    given %= num_classes
    targets = np.eye(num_classes, dtype=np.float32)[given]
    probabilities = predict_held_out(codes, targets)
    found = {"tlkeras": find_suspects(given, probabilities).rows}
    try:
        from cleanlab.filter import find_label_issues
    except ImportError:
        pass
    else:
        for rule in ("prune_by_noise_rate", "confident_learning"):
            found[f"cleanlab, {rule}"] = find_label_issues(
                given,
                probabilities,
                filter_by=rule,
                return_indices_ranked_by="normalized_margin",
            )
    return [(side, *judge(rows, planted)) for side, rows in found.items()]


def judge(rows: np.ndarray, planted: np.ndarray) -> tuple[str, ...]:
    """Returns the number found, recall, precision, and that at the planted."""
    right = np.isin(rows, planted)
    return (
        str(len(rows)),
        f"{right.sum() / len(planted):.3f}",
        f"{right.mean():.3f}",
        f"{right[: len(planted)].sum() / len(planted):.3f}",
    )


if __name__ == "__main__":
    main(sys.argv[1:] or list(SETS))
