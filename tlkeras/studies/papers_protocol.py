"""Linear classifiers as the papers report them: so many images a class.

A fixed number of training images of each class, the rest held out, accuracy
averaged over classes, mean and deviation over several such splits.

Reference:
    Donahue et al. 2014 (DeCAF), table 1; Zeiler and Fergus 2014, table 7:
    Caltech-101 with 30 training images a class.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tlkeras.checks.label_signal import class_balanced
from tlkeras.errors import InputError
from tlkeras.evaluation.folds import belong_to
from tlkeras.evaluation.metrics import per_image_scores
from tlkeras.optim.losses import Loss
from tlkeras.studies.copy_scores import score_held_out
from tlkeras.studies.cross_validation import cross_validate

TRIED_LOG10_L2 = (1.0, 3.0)
NUM_TRIED = 3
INNER_FOLDS = 2  # of the training images, to choose the strength


@dataclasses.dataclass(frozen=True)
class OverSplits:
    """Mean accuracy per class, over splits.

    Attributes:
        accuracy: Mean over the splits.
        deviation: Over the splits, of a sample.
        accuracies: One a split.
        l2s: Strength in each.
    """

    accuracy: float
    deviation: float
    accuracies: tuple[float, ...]
    l2s: tuple[float, ...]


def require_enough(
    targets: np.ndarray, class_names: tuple[str, ...], train_per_class: int
) -> None:
    """Makes sure that each class has images to train on and to hold out.

    Args:
        targets: [N, C] multi-hot.
        class_names: [C].
        train_per_class: That are trained on.

    Raises:
        InputError: If images carry several labels, or a class has too few.
    """
    if (targets.sum(1) != 1).any():
        raise InputError(
            "--train_per_class counts images of one class each, and some here "
            "carry several labels; expected single labels: leave out the flag."
        )
    counts = targets.sum(0)
    fewest = int(counts.argmin())
    if counts[fewest] <= train_per_class:
        raise InputError(
            f"The class '{class_names[fewest]}' has {int(counts[fewest])} "
            "images of train and validation; expected more than "
            f"--train_per_class={train_per_class}, so that some are held out: "
            "lower it."
        )


def draw_per_class(
    targets: np.ndarray, train_per_class: int, seed: int
) -> np.ndarray:
    """Returns a mask [N] of so many random images of each class.

    Args:
        targets: [N, C] one-hot.
        train_per_class: Images of each class, fewer than it has.
        seed: Of the draw.
    """
    rng = np.random.default_rng(seed)
    chosen = np.zeros(len(targets), bool)
    for members in targets.T > 0:
        rows = np.flatnonzero(members)
        chosen[rng.choice(rows, train_per_class, replace=False)] = True
    return chosen


def measure_over_splits(
    codes: np.ndarray,
    targets: np.ndarray,
    *,
    loss: Loss,
    train_per_class: int,
    num_splits: int,
    seed: int,
    groups: Sequence[str] = (),
) -> OverSplits:
    """Measures one classifier by the papers' protocol.

    The strength of L2 is chosen on the training images alone.

    Args:
        codes: float [N, d].
        targets: [N, C] one-hot.
        loss: Row of `optim.losses.LOSSES`.
        train_per_class: Training images of each class, at least 2.
        num_splits: At least 2.
        seed: Of the first split; the others take the ones after it.
        groups: [N] of images that belong together, or empty; what belongs to
            a training image is not held out.
    """
    l2s = []
    for number in range(num_splits):
        chosen = draw_per_class(targets, train_per_class, seed + number)
        found = cross_validate(
            codes[chosen],
            targets[chosen],
            loss=loss,
            log10_l2=TRIED_LOG10_L2,
            num_strengths=NUM_TRIED,
            num_folds=INNER_FOLDS,
            seed=seed + number,
            groups=np.asarray(groups)[chosen].tolist() if groups else (),
        )
        l2s.append(found.l2)
    return measure_copies_over_splits(
        codes[None],
        targets,
        loss=loss,
        train_per_class=train_per_class,
        l2s=tuple(l2s),
        seed=seed,
        groups=groups,
    )


def measure_copies_over_splits(
    copies: np.ndarray,
    targets: np.ndarray,
    *,
    loss: Loss,
    train_per_class: int,
    l2s: tuple[float, ...],
    seed: int,
    groups: Sequence[str] = (),
) -> OverSplits:
    """Measures one classifier on copies of images, with given strengths.

    Args:
        copies: float [K, N, d].
        targets: [N, C] one-hot.
        loss: Row of `optim.losses.LOSSES`.
        train_per_class: Training images of each class; their copies train too.
        l2s: One strength a split, best those of `measure_over_splits`.
        seed: Of the first split, as there.
        groups: As there.
    """
    accuracies = []
    for number, l2 in enumerate(l2s):
        chosen = draw_per_class(targets, train_per_class, seed + number)
        held = ~chosen & ~belong_to(chosen, groups)
        logits = score_held_out(copies, targets, chosen, loss=loss, l2=l2)
        logits, labels = logits[held[~chosen]], targets[held]
        scores = per_image_scores(labels, logits, multi_label=False)
        accuracies.append(class_balanced(scores, labels)[0])
    return OverSplits(
        float(np.mean(accuracies)),
        float(np.std(accuracies, ddof=1)),
        tuple(accuracies),
        l2s,
    )
