"""Finding a phase's learning rate by a range test on its own groups."""

import contextlib
import dataclasses
import math
import time
from typing import Any

import keras
import numpy as np

from tlkeras import workdir
from tlkeras.data.epoch import steps_per_epoch
from tlkeras.errors import InputError
from tlkeras.models.layer_groups import LayerGroup
from tlkeras.models.snapshot import restored
from tlkeras.optim.divergence import Divergence
from tlkeras.optim.lr_rules import (
    RULES,
    Region,
    choose_rule,
    find_regions,
    smooth,
    suggest,
)
from tlkeras.optim.multi_optimizer import inner_optimizers
from tlkeras.tables import lookup
from tlkeras.training.assembly import (
    build_optimizer,
    compile_model,
    phase_batches,
)
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.phases import Phase, build_groups, group_rates

AUTO = "auto"
LOWEST_RATE, HIGHEST_RATE = 1e-7, 10.0
NUM_STEPS = 100
QUIT_FACTOR = 3.0
MIN_POINTS = 5


@dataclasses.dataclass(frozen=True)
class LearningRates:
    """What a range test found out.

    Attributes:
        phase: That was tested.
        rates: [n] base rates, one a step; groups multiply them.
        losses: [n] of the batches, before each step's update.
        smoothed: [n] the same without what differs from batch to batch: the
            smoothed change against the loss of the same batch, with the same
            dropout, on untouched weights.
        rule: Key of `lr_rules.RULES` that was asked for, or chosen.
        suggestions: Rule -> rate.
        regions: What ranges of rates do.
        groups: Group -> its rate at a base rate of 1.
        stopped: Why the test ended early, or "".
        seconds: What it took.
    """

    phase: str
    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    rule: str
    suggestions: dict[str, float]
    regions: list[Region]
    groups: dict[str, float]
    stopped: str
    seconds: float

    @property
    def learning_rate(self) -> float:
        """The suggestion of the rule that was asked for."""
        return self.suggestions[self.rule]

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            "rates": self.rates.tolist(),
            "losses": self.losses.tolist(),
            "smoothed": self.smoothed.tolist(),
            "suggestions": self.suggestions,
            "rule": self.rule,
            "learning_rate": self.learning_rate,
            "regions": [dataclasses.asdict(r) for r in self.regions],
            "initial_loss": float(self.losses[0]),
            "stopped": self.stopped,
            "groups": self.groups,
            "seconds": round(self.seconds, 3),
        }


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
    groups = build_groups(phase, run.classifier)
    if _rates_at(phase, groups, 1.0) == _rates_at(phase, groups, 2.0):
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
        groups=_rates_at(phase, groups, 1.0),
        stopped=stopped,
        seconds=time.perf_counter() - started,
    )


def check_rule(rule: str) -> None:
    """Makes sure that a rule is known.

    Raises:
        InputError: If it is neither `auto` nor in `lr_rules.RULES`.
    """
    lookup({AUTO: None, **RULES}, rule, what="rule")


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
    from tlkeras.data.pipeline import naming_bad_files  # brings TensorFlow

    train = run.dataset.splits["train"]
    steps = steps_per_epoch(len(train), phase.batch_size)
    first = dataclasses.replace(
        phase, schedule="constant", learning_rate=LOWEST_RATE
    )
    batches = phase_batches(
        phase, run, frozen, first_epoch=0, num_epochs=-(-len(rates) // steps)
    )
    model = frozen.suffix if frozen else run.classifier.model
    # Three times almost nothing is no divergence.
    divergence = Divergence(
        QUIT_FACTOR,
        run.classifier.head.loss.expected_at_zero(run.dataset.num_classes),
    )
    losses: list[float] = []
    with (
        restored(run.classifier.model),
        naming_bad_files(train, run.size),
        contextlib.closing(batches),  # its threads end with it
    ):
        optimizer, _ = build_optimizer(first, run, steps)
        compile_model(first, run, model, optimizer)
        groups = build_groups(phase, run.classifier)
        for rate, batch in zip(rates, batches, strict=False):
            _set_rates(phase, groups, optimizer, float(rate))
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


def _rates_at(
    phase: Phase, groups: list[LayerGroup], rate: float
) -> dict[str, float]:
    return group_rates(dataclasses.replace(phase, learning_rate=rate), groups)


def _set_rates(
    phase: Phase,
    groups: list[LayerGroup],
    optimizer: keras.optimizers.Optimizer,
    rate: float,
) -> None:
    """Sets every group's rate; at 0 no group moves, whatever its own says."""
    rates = _rates_at(phase, groups, rate)
    for inner in inner_optimizers(optimizer):
        inner.learning_rate = rates[inner.name] if rate else 0.0


def write_learning_rates(found: LearningRates, run: RunContext) -> None:
    """Writes `lr_finder.json`, beside what was found for other phases."""
    path = run.directory / workdir.LR_FINDER
    known = workdir.read_json(path) if path.exists() else {}
    workdir.write_json(path, {**known, found.phase: found.as_dict()})


def format_learning_rates(found: LearningRates) -> str:
    """Returns what was found, for people."""
    lines = [
        f"{region.name:<16}{region.low:.1e} .. {region.high:.1e}"
        for region in found.regions
    ]
    lines += [
        f"{name:<16}{rate:.2e}{'  <-' if name == found.rule else ''}"
        for name, rate in found.suggestions.items()
    ]
    if found.stopped:
        lines.append(f"ended early: {found.stopped}")
    return "\n".join(lines)


def with_learning_rate(
    phase: Phase, run: RunContext, frozen: FrozenPart | None
) -> Phase:
    """Returns the phase with a number for its rate, finding one for `auto`.

    A phase that is resumed keeps the rate that was found when it began.
    """
    if phase.learning_rate != AUTO:
        return phase
    rate = run.progress.learning_rates.get(phase.name)
    if rate is None:
        found = find_learning_rates(phase, run, frozen)
        write_learning_rates(found, run)
        rate = found.learning_rate
        run.progress.learning_rates[phase.name] = rate
        run.console.line(
            f"{phase.name}: learning rate {rate:.2e} by the rule "
            f"'{found.rule}', {len(found.rates)} steps in {found.seconds:.1f} s"
        )
    return dataclasses.replace(phase, learning_rate=rate)
