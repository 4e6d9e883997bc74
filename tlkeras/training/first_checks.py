"""The cheap checks of every run, beside the work that it does anyway."""

import numpy as np

from tlkeras import workdir
from tlkeras.checks.initial_loss import check_initial_loss
from tlkeras.checks.input_contract import (
    check_input_contract,
    decode_reference,
)
from tlkeras.checks.split_leaks import (
    check_class_counts,
    check_near_duplicates,
    check_split_leaks,
)
from tlkeras.checks.suite import Suite
from tlkeras.data.dataset import Dataset
from tlkeras.models.inference import run_batches
from tlkeras.training.batches import class_weights
from tlkeras.training.context import RunContext
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.progress import RunProgress
from tlkeras.training.reading import read_pixels

CONTRACT_IMAGES = 8


def run_first_checks(run: RunContext, progress: RunProgress) -> None:
    """Runs the cheap checks on a fresh head; resumed runs keep theirs.

    Args:
        run: About to begin, or to go on.
        progress: Where it stands.

    Raises:
        GateError: If one fails and `checks.strict` is on.
    """
    if not run.config.checks.enabled:
        return
    path = run.directory / workdir.CHECKS
    if path.exists() and (progress.outcomes or progress.current.epoch):
        return
    suite = Suite(path, run.console, run.dataset.fingerprint)
    run_cheap_checks(suite, run)
    suite.write()
    suite.require_passed(strict=run.config.checks.strict)


def run_cheap_checks(suite: Suite, run: RunContext) -> np.ndarray:
    """Runs what needs no training: data, input contract, initial loss.

    Args:
        suite: Collects the results.
        run: With a fresh head.

    Returns:
        Logits of the first training images, float32 [n, C].
    """
    dataset, classifier = run.dataset, run.classifier
    run_data_checks(suite, dataset, run.config.seed)
    train = dataset.splits["train"]
    rows = np.arange(min(run.config.evaluation.batch_size, len(train)))
    few = train.take(rows)
    images = read_pixels(few, classifier.image_size)
    suite.run(
        lambda: check_input_contract(
            classifier,
            images[:CONTRACT_IMAGES],
            decode_reference(
                few.files[:CONTRACT_IMAGES],
                classifier.image_size,
                few.definition,
            ),
        )
    )
    logits = run_batches(classifier.model, [images])
    fitted = fitted_phases(run)
    suite.run(
        lambda: check_initial_loss(
            few.targets,
            logits,
            loss=classifier.head.loss,
            label_smoothing=fitted[0].label_smoothing if fitted else 0.0,
            class_weights=class_weights(run.config, train),
        )
    )
    return logits


def run_data_checks(suite: Suite, dataset: Dataset, seed: int) -> None:
    """Runs what needs the images' files only.

    Args:
        suite: Collects the results.
        dataset: With its splits.
        seed: Where images are drawn.
    """
    suite.run(lambda: check_split_leaks(dataset))
    suite.run(lambda: check_near_duplicates(dataset, seed=seed))
    suite.run(lambda: check_class_counts(dataset))


def fitted_phases(run: RunContext) -> list[ResolvedPhase]:
    """Returns the phases that train by gradient descent."""
    return [phase for phase in run.phases if phase.method == "fit"]
