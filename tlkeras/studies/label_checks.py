"""Whether the labels can be learnt at all: codes probed before a run."""

import functools

import numpy as np

from tlkeras.checks.label_signal import (
    check_label_signal,
    check_shuffled_labels,
    class_balanced,
)
from tlkeras.checks.result import SKIP, CheckResult
from tlkeras.checks.suite import Suite
from tlkeras.evaluation.metrics import per_image_scores
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.studies.cross_validation import cross_validate
from tlkeras.training.context import RunContext

PROBE_IMAGES = 600
MIN_OF_A_CLASS = 3  # one a fold
LOG10_L2 = (2.0, 2.0)  # one strength: nothing is chosen on the same folds


def run_label_checks(
    suite: Suite, run: RunContext, prefix: FrozenPrefix
) -> None:
    """Probes the codes with the labels as they are, and shuffled.

    Args:
        suite: Collects the results.
        run: With a fresh head; its training images are used.
        prefix: Images -> codes.
    """
    train = run.dataset.splits["train"].draw(PROBE_IMAGES, run.config.seed)
    (codes,) = prefix.activations(
        train, prefix.plain, what="codes of training images"
    ).all_rows()
    if train.targets.sum(0).min() < MIN_OF_A_CLASS:
        for name in ("label_signal", "shuffled_labels"):
            suite.run(functools.partial(_too_few, name))
        return
    rng = np.random.default_rng(run.config.seed)
    shuffled = rng.permutation(train.targets)

    def scores(targets: np.ndarray) -> np.ndarray:
        return cross_validate(
            codes,
            targets,
            loss=run.classifier.head.loss,
            log10_l2=LOG10_L2,
            num_strengths=1,
            seed=run.config.seed,
            groups=train.groups,
        ).scores

    suite.run(
        lambda: check_label_signal(
            scores(train.targets), train.targets, _chance(train.targets)
        )
    )
    suite.run(
        lambda: check_shuffled_labels(
            scores(shuffled), shuffled, _chance(shuffled)
        )
    )


def _chance(targets: np.ndarray) -> float:
    """Returns the class-balanced score of ranking classes by frequency."""
    frequent = np.broadcast_to(targets.mean(0), targets.shape)
    scores = per_image_scores(
        targets, frequent, multi_label=bool((targets.sum(-1) != 1).any())
    )
    return class_balanced(scores, targets)[0]


def _too_few(name: str) -> CheckResult:
    message = f"A class has fewer than {MIN_OF_A_CLASS} training images."
    return CheckResult(name, SKIP, None, None, message)
