"""Everything that can be known to be wrong before a run: `tlkeras check`."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.checks.label_signal import (
    check_label_signal,
    check_shuffled_labels,
    class_balanced,
)
from tlkeras.checks.one_step import (
    check_gradient,
    check_update_ratios,
    first_update_ratios,
    take_step,
)
from tlkeras.checks.overfit import (
    NUM_IMAGES,
    check_overfit,
    check_own_optimizer,
    overfit,
    vanilla_rates,
)
from tlkeras.checks.regularization import check_regularization
from tlkeras.checks.result import SKIP, CheckResult
from tlkeras.checks.suite import Suite
from tlkeras.config.run_directory import open_run_directory
from tlkeras.config.validate import validate
from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.views import UNCHANGED
from tlkeras.evaluation.metrics import per_image_scores
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.models.classifier import freeze
from tlkeras.models.graph import find_cutoff, topological_layers
from tlkeras.models.split import choose_cut, split_classifier
from tlkeras.optim.losses import mean_loss
from tlkeras.studies.cross_validation import cross_validate
from tlkeras.training.assembly import build_optimizer
from tlkeras.training.context import RunContext
from tlkeras.training.first_checks import (
    fitted_phases,
    frozen_kinds,
    run_cheap_checks,
    run_frozen_checks,
)
from tlkeras.training.frozen_part import (
    as_inputs,
    feature_settings,
    reader_factory,
)
from tlkeras.training.lr_finder import AUTO
from tlkeras.training.phases import Phase, build_groups
from tlkeras.training.trainer import build_run, load_data, set_up_model

PROBE_IMAGES = 600
MIN_OF_A_CLASS = 3  # one a fold
STEP_IMAGES = 8
LOG10_L2 = (2.0, 2.0)  # one strength: nothing is chosen on the same folds


def run_preflight(
    config: ConfigDict, directory: Path | str, *, console: Console | None = None
) -> list[CheckResult]:
    """Runs every check on a fresh model, and writes `checks.json`.

    Args:
        config: As for `train_and_evaluate`.
        directory: Of the run that is to come, or of one that there is; nothing
            but `checks.json`, and what describes the data, is written there.
        console: For progress; None is quiet.

    Returns:
        The results, in order; none is raised.

    Raises:
        InputError: For unusable input, or the directory of another config.
    """
    console = console or Console(quiet=True)
    validate(config)
    directory = open_run_directory(Path(directory), config)
    policy = set_up_model(config)
    dataset = load_data(config, directory, console)
    run = build_run(config, directory, dataset, policy, console)
    suite = Suite(directory / workdir.CHECKS, console, dataset.fingerprint)
    logits = run_cheap_checks(suite, run)
    train = dataset.splits["train"]
    loss = mean_loss(
        train.targets[: len(logits)], logits, run.classifier.head.loss
    )
    suite.run(
        lambda: check_regularization(
            run.classifier,
            loss,
            l1=config.model.head_l1,
            l2=config.model.head_l2,
        )
    )
    _check_labels(suite, run)
    for phase in fitted_phases(run):
        _check_phase(suite, phase, run)
    suite.write()
    return suite.results


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


def _check_labels(suite: Suite, run: RunContext) -> None:
    """Probes the codes with the labels as they are, and shuffled."""
    train = run.dataset.splits["train"].draw(PROBE_IMAGES, run.config.seed)
    top = len(topological_layers(run.classifier.backbone))
    prefix = _prefix(run, split_classifier(run.classifier, top).prefix)
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


def _prefix(run: RunContext, network: keras.Model) -> FrozenPrefix:
    return FrozenPrefix(
        network,
        run.dataset.splits["train"],
        reader_factory(run.classifier.image_size),
        UNCHANGED,
        feature_settings(run.config),
        run.console,
    )


def _check_phase(suite: Suite, phase: Phase, run: RunContext) -> None:
    """Checks one step of a phase, and whether it can overfit."""
    classifier = run.classifier
    freeze(
        classifier,
        trainable_from=phase.trainable_from,
        batch_norm=phase.batch_norm,
    )
    few = few_images(run.dataset.splits["train"], NUM_IMAGES, run.config.seed)
    some = few.take(np.arange(min(STEP_IMAGES, len(few))))
    step = take_step(classifier, _pixels(run, some), some.targets)
    kinds = frozen_kinds(phase, run)
    run_frozen_checks(suite, phase.name, kinds, step.touched)
    suite.run(
        lambda: check_gradient(step, classifier, phase.trainable_from),
        phase=phase.name,
    )
    suite.run(
        lambda: (
            _rate_to_come("update_ratios")
            if phase.learning_rate == AUTO
            else check_update_ratios(
                first_update_ratios(
                    step,
                    build_groups(phase, classifier),
                    _own_optimizer(phase, run),
                )
            )
        ),
        phase=phase.name,
    )
    _check_overfit(suite, phase, run, few)


def _check_overfit(
    suite: Suite, phase: Phase, run: RunContext, few: Split
) -> None:
    """Learns a few images by heart, from what the frozen part gives."""
    classifier = run.classifier
    model = classifier.model
    cutoff = find_cutoff(classifier.backbone, phase.trainable_from)
    if cutoff:
        parts = split_classifier(
            classifier, choose_cut(classifier.backbone, cutoff)
        )
        prefix = _prefix(run, parts.prefix)
        model = parts.suffix
        tensors = prefix.activations(
            few, prefix.plain, what="frozen part", live=True
        ).rows(np.arange(len(few)), np.zeros(len(few), int))
        inputs = as_inputs(tensors)
    else:
        inputs = _pixels(run, few)
    settings: dict[str, Any] = {
        "loss": classifier.head.loss,
        "expected": classifier.head.loss.expected_at_zero(
            run.dataset.num_classes
        ),
    }
    suite.run(
        lambda: check_overfit(
            overfit(
                model,
                inputs,
                few.targets,
                optimizer=keras.optimizers.SGD(),
                rates=vanilla_rates(
                    classifier.head.loss, run.dataset.num_classes
                ),
                **settings,
            ),
            len(few),
        ),
        phase=phase.name,
    )
    suite.run(
        lambda: (
            _rate_to_come("overfit_20_own_optimizer")
            if phase.learning_rate == AUTO
            else check_own_optimizer(
                overfit(
                    model,
                    inputs,
                    few.targets,
                    optimizer=_own_optimizer(phase, run),
                    **settings,
                ),
                len(few),
            )
        ),
        phase=phase.name,
    )


def _rate_to_come(name: str) -> CheckResult:
    message = "The rate is found when the phase begins (learning_rate=auto)."
    return CheckResult(name, SKIP, None, None, message)


def _pixels(run: RunContext, few: Split) -> np.ndarray:
    read = reader_factory(run.classifier.image_size)(few, UNCHANGED)
    rows = np.arange(len(few))
    return read(rows, np.zeros_like(rows)).astype(np.float32)


def _own_optimizer(phase: Phase, run: RunContext) -> keras.Optimizer:
    """Returns the phase's optimizer at its peak rates, held constant."""
    constant = dataclasses.replace(phase, schedule="constant")
    return build_optimizer(constant, run, 1)[0]
