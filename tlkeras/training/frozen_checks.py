"""Whether a phase's first step left alone what is frozen."""

import functools
from collections.abc import Mapping

import keras

from tlkeras import workdir
from tlkeras.callbacks.frozen_guard import FrozenGuard
from tlkeras.checks.frozen_variables import (
    check_unchanged,
    frozen_statistics,
    frozen_variables,
)
from tlkeras.checks.suite import Suite
from tlkeras.models.classifier import Classifier
from tlkeras.training.context import RunContext
from tlkeras.training.phases import ResolvedPhase


def frozen_kinds(
    phase: ResolvedPhase, classifier: Classifier
) -> dict[str, list[keras.Variable]]:
    """Returns check -> variables that a phase must not change, if any.

    Args:
        phase: With its cutoff and its BatchNormalization.
        classifier: Frozen as the phase says.
    """
    kinds = {
        "frozen_variables": frozen_variables(classifier, phase.cutoff),
        "batch_norm": frozen_statistics(
            classifier, phase.cutoff, phase.batch_norm
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


def frozen_guards(phase: ResolvedPhase, run: RunContext) -> list[FrozenGuard]:
    """Returns what looks at the frozen part after a phase's first step.

    Args:
        phase: About to begin.
        run: Whose classifier is frozen as the phase says.
    """
    if not run.config.checks.enabled:
        return []
    kinds = frozen_kinds(phase, run.classifier)

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
