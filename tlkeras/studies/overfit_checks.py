"""Whether a phase can learn a few images by heart."""

import dataclasses
import functools

import keras
import numpy as np

from tlkeras.checks.overfit import (
    NUM_IMAGES,
    check_overfit,
    check_own_optimizer,
    overfit,
    vanilla_rates,
)
from tlkeras.checks.result import SKIP, CheckResult
from tlkeras.checks.suite import Suite
from tlkeras.data.dataset import Split
from tlkeras.models.split import choose_cut, split_classifier
from tlkeras.training.assembly import build_optimizer
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import as_inputs
from tlkeras.training.learning_rates import AUTO
from tlkeras.training.phases import Phase, ResolvedPhase
from tlkeras.training.prefixes import open_prefix
from tlkeras.training.reading import read_pixels


def run_overfit_checks(
    suite: Suite, phase: ResolvedPhase, run: RunContext
) -> None:
    """Learns a few images by heart, from what the frozen part gives.

    Args:
        suite: Collects the results.
        phase: Whose own optimizer is tried after plain descent.
        run: Whose classifier is frozen as the phase says.
    """
    few = few_images(run.dataset.splits["train"], NUM_IMAGES, run.config.seed)
    model, inputs = _what_trains(phase, run, few)
    loss, num_classes = run.classifier.head.loss, run.dataset.num_classes
    learn = functools.partial(
        overfit,
        model,
        inputs,
        few.targets,
        loss=loss,
        expected=loss.expected_at_zero(num_classes),
    )

    def check_plain() -> CheckResult:
        vanilla = learn(
            optimizer=keras.optimizers.SGD(),
            rates=vanilla_rates(loss, num_classes),
        )
        return check_overfit(vanilla, len(few))

    def check_own() -> CheckResult:
        if phase.learning_rate == AUTO:
            return rate_to_come("overfit_20_own_optimizer")
        own = learn(optimizer=own_optimizer(phase, run))
        return check_own_optimizer(own, len(few))

    suite.run(check_plain, phase=phase.name)
    suite.run(check_own, phase=phase.name)


def _what_trains(
    phase: ResolvedPhase, run: RunContext, few: Split
) -> tuple[keras.Model, np.ndarray | tuple[np.ndarray, ...]]:
    """Returns the model above the cutoff, and what a few images give it."""
    classifier = run.classifier
    if phase.cutoff == 0:
        pixels = read_pixels(few, classifier.image_size)
        return classifier.model, pixels.astype(np.float32)
    cut = choose_cut(classifier.backbone, phase.cutoff)
    parts = split_classifier(classifier, cut)
    prefix = open_prefix(
        parts.prefix, run.dataset.splits["train"], run.config, run.console
    )
    tensors = prefix.activations(
        few, prefix.plain, what="frozen part", live=True
    ).rows(np.arange(len(few)), np.zeros(len(few), int))
    return parts.suffix, as_inputs(tensors)


def few_images(split: Split, count: int, seed: int) -> Split:
    """Returns a few images, as many of each class as can be.

    Args:
        split: To take from.
        count: Images at most.
        seed: Of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(split))
    first = split.targets[order].argmax(-1)
    turn = np.zeros(len(order), int)  # how many of its class came before
    for label in np.unique(first):
        turn[first == label] = np.arange((first == label).sum())
    return split.take(order[np.argsort(turn, kind="stable")[:count]])


def rate_to_come(name: str) -> CheckResult:
    """Returns the result of a check that needs a rate there is not yet."""
    message = "The rate is found when the phase begins (learning_rate=auto)."
    return CheckResult(name, SKIP, None, None, message)


def own_optimizer(phase: Phase, run: RunContext) -> keras.Optimizer:
    """Returns the phase's optimizer at its peak rates, held constant."""
    constant = dataclasses.replace(phase, schedule="constant")
    return build_optimizer(constant, run.classifier, 1)[0]
