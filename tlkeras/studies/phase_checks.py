"""What one step of a phase does, and whether the phase can overfit."""

import numpy as np

from tlkeras.checks.one_step import (
    check_gradient,
    check_update_ratios,
    first_update_ratios,
    take_step,
)
from tlkeras.checks.overfit import NUM_IMAGES
from tlkeras.checks.result import CheckResult
from tlkeras.checks.suite import Suite
from tlkeras.models.classifier import freeze_at
from tlkeras.studies.overfit_checks import (
    few_images,
    own_optimizer,
    rate_to_come,
    run_overfit_checks,
)
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_checks import frozen_kinds, run_frozen_checks
from tlkeras.training.learning_rates import AUTO
from tlkeras.training.phases import ResolvedPhase, build_groups
from tlkeras.training.reading import read_pixels

STEP_IMAGES = 8


def run_phase_checks(
    suite: Suite, phase: ResolvedPhase, run: RunContext
) -> None:
    """Checks one step of a phase, and whether it can overfit.

    Args:
        suite: Collects the results.
        phase: That is fitted.
        run: With a fresh head; its classifier is left frozen as the phase says.
    """
    classifier = run.classifier
    freeze_at(classifier, phase.cutoff, batch_norm=phase.batch_norm)
    few = few_images(run.dataset.splits["train"], NUM_IMAGES, run.config.seed)
    some = few.take(np.arange(min(STEP_IMAGES, len(few))))
    pixels = read_pixels(some, classifier.image_size).astype(np.float32)
    step = take_step(classifier, pixels, some.targets)
    kinds = frozen_kinds(phase, classifier)
    run_frozen_checks(suite, phase.name, kinds, step.touched)

    def check_ratios() -> CheckResult:
        if phase.learning_rate == AUTO:
            return rate_to_come("update_ratios")
        groups = build_groups(phase, classifier)
        ratios = first_update_ratios(step, groups, own_optimizer(phase, run))
        return check_update_ratios(ratios)

    suite.run(
        lambda: check_gradient(step, classifier, phase.cutoff),
        phase=phase.name,
    )
    suite.run(check_ratios, phase=phase.name)
    run_overfit_checks(suite, phase, run)
