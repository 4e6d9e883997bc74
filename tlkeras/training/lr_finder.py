"""Finding a phase's learning rate by a range test on its own groups."""

import dataclasses
import math
import time
from collections.abc import Callable

import numpy as np

from tlkeras.errors import InputError
from tlkeras.models.snapshot import restored
from tlkeras.optim.divergence import Divergence
from tlkeras.optim.lr_rules import choose_rule, find_regions, smooth, suggest
from tlkeras.optim.multi_optimizer import inner_optimizers
from tlkeras.training.assembly import build_optimizer, compile_classifier
from tlkeras.training.batches import lent_batches, phase_batches
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.learning_rates import (
    AUTO,
    LearningRates,
    check_rule,
    write_learning_rates,
)
from tlkeras.training.phases import (
    Phase,
    ResolvedPhase,
    build_groups,
    group_rates,
)
from tlkeras.training.teacher import taught_split

LOWEST_RATE, HIGHEST_RATE = 1e-7, 10.0
NUM_STEPS = 100
QUIT_FACTOR = 3.0
MIN_POINTS = 5


def find_learning_rates(
    phase: Phase,
    run: RunContext,
    frozen: FrozenPart | None,
    *,
    rule: str = AUTO,
    lowest: float = LOWEST_RATE,
    highest: float = HIGHEST_RATE,
    num_steps: int = NUM_STEPS,
) -> LearningRates:
    """Raises the rate exponentially, one step each, and puts everything back.

    A first pass at rate 0 gives what each batch loses anyway: after a fitted
    probe, batches differ by more than any rate changes. The phase's
    groups keep their multipliers, a group with a rate of its own
    keeps that. Weights, normalisation statistics and seed generators are the
    same bits before and after; the optimizer is the test's own.

    Args:
        phase: Whose rate is wanted; `learning_rate` is not read.
        run: Whose classifier is frozen as the phase says.
        frozen: The phase's frozen part, or None where everything trains.
        rule: Key of `lr_rules.RULES`; `auto` = `lr_rules.choose_rule`.
        lowest: First base rate, above 0.
        highest: Last base rate.
        num_steps: Batches, at least `MIN_POINTS`.

    Raises:
        InputError: For an unknown rule, where the very first steps diverge, or
            where no group follows the phase's rate.
    """
    check_rule(rule)
    rates_at = _follow(phase, run)
    if rates_at(1.0) == rates_at(2.0):
        raise InputError(
            f"Every layer group of the phase '{phase.name}' has a learning "
            "rate of its own, so that the phase's changes nothing; expected a "
            "group that multiplies it: set "
            f"--config.phases.{phase.name}.groups.head.learning_rate=None."
        )
    started = time.perf_counter()
    rates = np.geomspace(lowest, highest, num_steps)
    unmoved, _ = _run_steps(phase, run, frozen, np.zeros(num_steps), None)
    losses, stopped = _run_steps(phase, run, frozen, rates, unmoved)
    if len(losses) < MIN_POINTS:
        raise InputError(
            f"The range test of the phase '{phase.name}' ended after "
            f"{len(losses)} steps ({stopped}); expected at least "
            f"{MIN_POINTS}: begin at a lower rate."
        )
    rates, unmoved = rates[: len(losses)], unmoved[: len(losses)]
    smoothed = float(unmoved.mean()) + smooth(losses - unmoved)
    return LearningRates(
        phase=phase.name,
        rates=rates,
        losses=losses,
        smoothed=smoothed,
        rule=choose_rule(smoothed) if rule == AUTO else rule,
        suggestions=suggest(rates, smoothed),
        regions=find_regions(rates, smoothed),
        groups=rates_at(1.0),
        stopped=stopped,
        seconds=time.perf_counter() - started,
    )


def _run_steps(
    phase: Phase,
    run: RunContext,
    frozen: FrozenPart | None,
    rates: np.ndarray,
    unmoved: np.ndarray | None,
) -> tuple[np.ndarray, str]:
    """Takes one step at each rate and puts everything back.

    Args:
        phase: Whose rate is wanted.
        run: Its data and classifier.
        frozen: The phase's frozen part, or None.
        rates: [n] base rates.
        unmoved: [n] losses of the same batches on untouched weights, which a
            divergence is measured by; None never ends early.

    Returns:
        The loss of each step's batch before its update, [n], and why it ended
        early, or "". A loss that is no number counts as the bound.
    """
    train = taught_split(phase, run)
    image_size = run.classifier.image_size
    steps = phase.steps_per_epoch(len(train))
    first = dataclasses.replace(
        phase, schedule="constant", learning_rate=LOWEST_RATE
    )
    batches = phase_batches(
        phase,
        run.config,
        train,
        image_size,
        frozen,
        first_epoch=0,
        num_epochs=-(-len(rates) // steps),
        part=run.distribution.place,
    )
    distribution = run.distribution
    model = distribution.trained(
        frozen.suffix if frozen else run.classifier.model
    )
    # Three times almost nothing is no divergence.
    divergence = Divergence(
        QUIT_FACTOR,
        run.classifier.head.loss.expected_at_zero(run.dataset.num_classes),
    )
    losses: list[float] = []
    with (
        restored(run.classifier.model),
        # The threads of the batches end with them.
        lent_batches(batches, train, image_size) as read,
    ):
        optimizer, _ = build_optimizer(
            first, run.classifier, steps, distribution
        )
        with distribution.scope():
            compile_classifier(first, run.classifier, model, optimizer)
        rates_at = _follow(phase, run)
        batches_fed = distribution.feed(read)
        for rate, batch in zip(rates, batches_fed, strict=False):
            wanted = rates_at(float(rate))
            for inner in inner_optimizers(optimizer):
                # At 0 no group moves, whatever its own rate says.
                inner.learning_rate = wanted[inner.name] if rate else 0.0
            model.reset_metrics()
            losses.append(float(model.train_on_batch(*batch)[0]))
            if unmoved is None:
                continue
            bound = divergence.bound(
                divergence.initial_loss(float(unmoved[len(losses) - 1]))
            )
            if not math.isfinite(losses[-1]):
                reason = f"the loss became {losses[-1]} at rate {rate:.3g}"
                losses[-1] = bound
                return np.array(losses), reason
            if losses[-1] > bound:
                return np.array(losses), (
                    f"the loss passed {QUIT_FACTOR:g}x the initial one at "
                    f"rate {rate:.3g}"
                )
    return np.array(losses), ""


def _follow(
    phase: Phase, run: RunContext
) -> Callable[[float], dict[str, float]]:
    """Returns base rate -> the rates of the phase's groups."""
    groups = build_groups(phase, run.classifier)

    def rates_at(rate: float) -> dict[str, float]:
        changed = dataclasses.replace(phase, learning_rate=rate)
        return group_rates(changed, groups)

    return rates_at


def find_rate_once(
    phase: ResolvedPhase,
    run: RunContext,
    frozen: FrozenPart | None,
    known: float | None,
) -> float:
    """Returns the learning rate of a phase that asks for `auto`.

    Args:
        phase: About to begin, or to go on.
        run: Whose classifier is frozen as the phase says.
        frozen: The phase's frozen part, or None.
        known: Rate that was found when a resumed phase began.
    """
    if known is not None:
        return known
    found = find_learning_rates(phase, run, frozen)
    write_learning_rates(found, run.directory)
    run.console.line(
        f"{phase.name}: learning rate {found.learning_rate:.2e} by the rule "
        f"'{found.rule}', {len(found.rates)} steps in {found.seconds:.1f} s"
    )
    return found.learning_rate
