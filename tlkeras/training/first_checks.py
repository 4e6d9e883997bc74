"""The cheap checks of every run, beside the work that it does anyway."""

import functools
from collections.abc import Mapping

import keras
import numpy as np

from tlkeras import workdir
from tlkeras.callbacks.frozen_guard import FrozenGuard
from tlkeras.checks.frozen_variables import (
    check_unchanged,
    frozen_statistics,
    frozen_variables,
)
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
from tlkeras.data.views import UNCHANGED
from tlkeras.models.inference import run_batches
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import reader_factory
from tlkeras.training.phases import Phase, read_phases, resolve_method

CONTRACT_IMAGES = 8


def run_first_checks(run: RunContext) -> None:
    """Runs the cheap checks on a fresh head; resumed runs keep theirs.

    Raises:
        GateError: If one fails and `checks.strict` is on.
    """
    if not run.config.checks.enabled:
        return
    path = run.directory / workdir.CHECKS
    if path.exists() and (run.progress.outcomes or run.progress.epoch):
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
    images = reader_factory(classifier.image_size)(few, UNCHANGED)(
        rows, np.zeros_like(rows)
    )
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
            class_weights=run.class_weights,
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


def fitted_phases(run: RunContext) -> list[Phase]:
    """Returns the phases that train by gradient descent."""
    return [
        phase
        for phase in read_phases(run.config.phases)
        if resolve_method(phase, run.classifier) == "fit"
    ]


def frozen_kinds(
    phase: Phase, run: RunContext
) -> dict[str, list[keras.Variable]]:
    """Returns check -> variables that a phase must not change, if any.

    Args:
        phase: With its cutoff and its BatchNormalization.
        run: Whose classifier is frozen as the phase says.
    """
    kinds = {
        "frozen_variables": frozen_variables(
            run.classifier, phase.trainable_from
        ),
        "batch_norm": frozen_statistics(
            run.classifier, phase.trainable_from, phase.batch_norm
        ),
    }
    return {name: variables for name, variables in kinds.items() if variables}


def run_frozen_checks(
    suite: Suite,
    phase: str,
    kinds: Mapping[str, list[keras.Variable]],
    changed: set[str],
) -> None:
    """Says whether a phase's first step left alone what is frozen.

    Args:
        suite: Collects the results.
        phase: Name of the one that took the step.
        kinds: Its `frozen_kinds`.
        changed: Paths of all variables that changed.
    """
    for name, variables in kinds.items():
        suite.run(
            functools.partial(check_unchanged, name, variables, changed),
            phase=phase,
        )


def frozen_guards(phase: Phase, run: RunContext) -> list[FrozenGuard]:
    """Returns what looks at the frozen part after a phase's first step.

    Args:
        phase: About to begin; when it is resumed, nothing is checked again.
        run: Whose classifier is frozen as the phase says.
    """
    if not run.config.checks.enabled or run.progress.epoch:
        return []
    kinds = frozen_kinds(phase, run)

    def report(changed: set[str]) -> None:
        suite = Suite(
            run.directory / workdir.CHECKS,
            run.console,
            run.dataset.fingerprint,
        )
        run_frozen_checks(suite, phase.name, kinds, changed)
        suite.write()
        suite.require_passed(strict=run.config.checks.strict)

    everything = {v.path: v for some in kinds.values() for v in some}
    return [FrozenGuard(everything.values(), report)]
