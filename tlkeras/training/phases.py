"""A phase: what trains, how, and how long."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.auto_epochs import AUTO
from tlkeras.config.solving import solve_obstacle
from tlkeras.data.epoch import steps_per_epoch
from tlkeras.errors import InputError
from tlkeras.evaluation.phase_details import GroupRow
from tlkeras.models.classifier import Classifier, freeze_at
from tlkeras.models.cutoffs import find_cutoff
from tlkeras.models.layer_groups import (
    HEAD,
    LayerGroup,
    group_layers,
    section_group_starts,
)
from tlkeras.optim.optimizers import OptimizerSpec
from tlkeras.optim.schedules import ScheduleArgs, make_learning_rate
from tlkeras.training.epoch_rule import USUAL_EPOCHS, auto_epochs

METHODS = ("auto", "solve", "fit")


@dataclasses.dataclass(frozen=True)
class GroupSettings:
    """How one layer group trains; None takes the phase's value."""

    starts_at: str = "auto"
    learning_rate_multiplier: float = 1.0
    learning_rate: float | None = None
    optimizer: str | None = None
    weight_decay: float | None = None
    clipnorm: float | None = None


@dataclasses.dataclass(frozen=True)
class Phase:
    """One phase; see `config/defaults.py` for units and meaning."""

    name: str
    method: str
    epochs: int  # `auto` is resolved
    trainable_from: str
    batch_norm: str
    augment: bool
    batch_size: int
    label_smoothing: float
    teacher: str
    teacher_share: float
    teacher_temperature: float
    optimizer: str
    learning_rate: float | str
    weight_decay: float
    momentum: float
    clipnorm: float | None
    global_clipnorm: float | None
    schedule: str
    schedule_args: Mapping[str, float]
    layer_decay: float | None
    groups: Mapping[str, GroupSettings]
    early_stopping_patience: int | None
    reduce_on_plateau_patience: int | None
    reduce_on_plateau_factor: float
    divergence_factor: float
    solve_log10_l2: tuple[float, float]
    solve_num_strengths: int
    solver: str

    @property
    def finds_rate(self) -> bool:
        """Whether its learning rate is a word, `auto`, and no number yet."""
        return isinstance(self.learning_rate, str)

    def steps_per_epoch(self, num_images: int) -> int:
        """Returns the number of batches in which an epoch shows the images."""
        return steps_per_epoch(num_images, self.batch_size)


@dataclasses.dataclass(frozen=True)
class ResolvedPhase(Phase):
    """A phase on a network: `method` is `solve` or `fit`.

    Attributes:
        cutoff: Index of the first backbone layer that trains, in topological
            order; the number of layers where none does.
    """

    cutoff: int


def read_phases(phases: ConfigDict, num_images: int) -> list[Phase]:
    """Returns the phases of a config in order, without skipped ones.

    Args:
        phases: The section.
        num_images: In the training split, where `epochs` is `auto`.
    """
    return [
        phase
        for name in phases.phase_order
        if (phase := _read_phase(name, phases[name], num_images)).epochs > 0
    ]


def _read_phase(name: str, section: ConfigDict, num_images: int) -> Phase:
    values: dict[str, Any] = section.to_dict()
    if values["epochs"] == AUTO:
        values["epochs"] = auto_epochs(num_images, section.batch_size)
    groups = {
        group: GroupSettings(**settings)
        for group, settings in values.pop("groups").items()
    }
    return Phase(name=name, groups=groups, **values)


def resolve_phase(phase: Phase, classifier: Classifier) -> ResolvedPhase:
    """Resolves a phase's cutoff and method on a network, which it freezes.

    Its groups are tried as well, so that a mistyped layer ends a run before
    the first phase, not before the last.

    Args:
        phase: As configured.
        classifier: Left frozen as the phase says.

    Raises:
        InputError: For a layer that it lacks, a group without layers, or a
            phase that cannot be solved.
    """
    cutoff = find_cutoff(classifier.backbone, phase.trainable_from)
    freeze_at(classifier, cutoff, batch_norm=phase.batch_norm)
    values = {**vars(phase), "method": resolve_method(phase, classifier)}
    resolved = ResolvedPhase(**values, cutoff=cutoff)
    if resolved.method == "fit":
        build_groups(resolved, classifier)
    return resolved


def resolve_method(phase: Phase, classifier: Classifier) -> str:
    """Returns `solve` or `fit`, resolving `auto`.

    Raises:
        InputError: If `solve` is asked for where it cannot be done.
    """
    obstacle = solve_obstacle(
        is_solvable=classifier.head.is_solvable,
        augment=phase.augment,
        trainable_from=phase.trainable_from,
        teacher=phase.teacher,
    )
    if phase.method == "solve" and obstacle:
        raise InputError(
            f"The phase '{phase.name}' cannot be solved because {obstacle}; "
            "expected a linear, svm or multi_label head on a frozen backbone "
            f"without augmentation or teacher: set "
            f"--config.phases.{phase.name}.method=fit."
        )
    if phase.method == "auto":
        return "fit" if obstacle else "solve"
    return phase.method


def build_groups(phase: Phase, classifier: Classifier) -> list[LayerGroup]:
    """Returns the phase's layer groups; call after `classifier.freeze`."""
    if phase.layer_decay is None:
        starts = {name: g.starts_at for name, g in phase.groups.items()}
    else:
        starts = {HEAD: HEAD, **section_group_starts(classifier.backbone)}
    return group_layers(classifier.backbone, classifier.head_layers, starts)


def group_rates(phase: Phase, groups: list[LayerGroup]) -> dict[str, float]:
    """Returns group -> peak learning rate.

    With `layer_decay` d the k-th group below the head gets d^k; else its own
    rate, or the phase's rate times its multiplier.

    Args:
        phase: With a number for its rate; `auto` is resolved before.
        groups: From `build_groups`.
    """
    if phase.layer_decay is not None:
        base = float(phase.learning_rate)
        return {
            group.name: base * phase.layer_decay**depth
            for depth, group in enumerate(groups)
        }
    return {group.name: group_rate(phase, group.name) for group in groups}


def group_rate(phase: Phase, name: str) -> float:
    """Returns a group's own rate, or the phase's times its multiplier."""
    own = phase.groups.get(name, GroupSettings())
    if own.learning_rate is not None:
        return own.learning_rate
    return float(phase.learning_rate) * own.learning_rate_multiplier


def optimizer_specs(
    phase: Phase, groups: list[LayerGroup], steps_per_epoch: int
) -> dict[str, OptimizerSpec]:
    """Returns group -> its optimizer."""
    return {
        name: group_spec(phase, name, rate, steps_per_epoch)
        for name, rate in group_rates(phase, groups).items()
    }


def group_spec(
    phase: Phase, name: str, rate: float, steps_per_epoch: int
) -> OptimizerSpec:
    """Returns the optimizer of one group at a peak rate."""
    own = phase.groups.get(name, GroupSettings())
    args = schedule_args(phase)
    return OptimizerSpec(
        optimizer=own.optimizer or phase.optimizer,
        learning_rate=make_learning_rate(
            phase.schedule, rate, steps_per_epoch, args
        ),
        weight_decay=_first(own.weight_decay, phase.weight_decay),
        momentum=phase.momentum,
        clipnorm=_first(own.clipnorm, phase.clipnorm),
    )


def schedule_args(phase: Phase) -> ScheduleArgs:
    """Returns the constants of a phase's schedule.

    Its warm-up is a twelfth of it where the config leaves that open: few
    images end an epoch after one step, and one step is none.
    """
    stated = dict(phase.schedule_args)
    if stated["warmup_epochs"] == AUTO:
        stated["warmup_epochs"] = phase.epochs / USUAL_EPOCHS
    return ScheduleArgs(total_epochs=phase.epochs, **stated)


def _first(value: Any, default: Any) -> Any:
    return default if value is None else value


def describe_groups(
    phase: Phase, groups: list[LayerGroup], specs: dict[str, OptimizerSpec]
) -> tuple[GroupRow, ...]:
    """Returns one row a group: layers, variables, parameters, rate, decay."""
    rates = group_rates(phase, groups)
    return tuple(
        GroupRow(
            group=group.name,
            first_layer=group.layers[0].name,
            last_layer=group.layers[-1].name,
            layers=len(group.layers),
            variables=len(group.variables),
            parameters=sum(math.prod(v.shape) for v in group.variables),
            optimizer=specs[group.name].optimizer,
            learning_rate=rates[group.name],
            weight_decay=specs[group.name].weight_decay,
        )
        for group in groups
    )


def format_groups(rows: Sequence[GroupRow]) -> str:
    """Returns the assignment as a table of plain text."""
    header = (
        f"{'group':<10}{'layers':>7}{'variables':>11}{'parameters':>12}  "
        f"{'optimizer':<10}{'rate':>9}{'decay':>9}  from .. to"
    )
    lines = [
        f"{row.group:<10}{row.layers:>7}{row.variables:>11}"
        f"{row.parameters:>12,}  {row.optimizer:<10}"
        f"{row.learning_rate:>9.2g}{row.weight_decay:>9.2g}  "
        f"{row.first_layer} .. {row.last_layer}"
        for row in rows
    ]
    return "\n".join([header, *lines])
