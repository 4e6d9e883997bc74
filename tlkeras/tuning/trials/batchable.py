"""Which settings of a head the batched computation knows.

It honours some fields, and others change no head on codes. Any further field,
one that is new for example, must have its default, at which it does nothing;
else the head trains alone, with Keras, which knows them all.
"""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from ml_collections import ConfigDict

from tlkeras.config.defaults import model_section, phase_section
from tlkeras.models.layer_groups import HEAD
from tlkeras.optim.optimizers import OptimizerSpec
from tlkeras.training.phases import GroupSettings, Phase


@dataclasses.dataclass(frozen=True)
class Known:
    """Fields of one section that the batched computation knows.

    Attributes:
        honoured: Fields that it reads.
        idle: Field -> why it changes no head on codes.
    """

    honoured: Collection[str]
    idle: Mapping[str, str]

    def allows(self, values: Mapping[str, Any], default: Any) -> bool:
        """Says whether all other fields have their defaults.

        Args:
            values: Field -> value.
            default: Field -> default; one that has none is never allowed.
        """
        return all(
            name in self.honoured
            or name in self.idle
            or (name in default and value == default[name])
            for name, value in values.items()
        )


FROZEN = "the backbone is frozen and its codes are given; `codes_obstacle`"
FITTED = "heads on codes are fitted, not solved"
IN_SPEC = "`head_optimizer` has put it into the OptimizerSpec"
OF_CODES = "it made the codes"

PHASE = Known(
    honoured=(
        "name",  # the order of its images
        "epochs",
        "batch_size",
        "label_smoothing",
        "divergence_factor",
    ),
    idle={
        "method": FITTED,
        "solve_log10_l2": FITTED,
        "solve_num_strengths": FITTED,
        "solver": FITTED,
        "trainable_from": FROZEN,
        "batch_norm": FROZEN,
        "augment": FROZEN,
        "layer_decay": "it multiplies the rates of groups below the head",
        "optimizer": IN_SPEC,
        "learning_rate": IN_SPEC,
        "weight_decay": IN_SPEC,
        "momentum": IN_SPEC,
        "clipnorm": IN_SPEC,
        "schedule": IN_SPEC,
        "schedule_args": IN_SPEC,
        "groups": "the head's is asked by itself, the others do not train",
        "reduce_on_plateau_factor": "reduce_on_plateau_patience is None",
        "teacher_share": "teacher is empty",
        "teacher_temperature": "teacher is empty",
    },
)
GROUP = Known(
    honoured=(),
    idle={
        "starts_at": "the head's group is the head",
        "learning_rate_multiplier": IN_SPEC,
        "learning_rate": IN_SPEC,
        "optimizer": IN_SPEC,
        "weight_decay": IN_SPEC,
        "clipnorm": IN_SPEC,
    },
)
SPEC = Known(
    honoured=("optimizer", "learning_rate", "weight_decay", "momentum"),
    idle={},
)
MODEL = Known(
    honoured=("head", "dropout", "head_initializer", "head_l1", "head_l2"),
    idle={
        "hidden_units": "a head with hidden layers is not batched",
        "backbone": OF_CODES,
        "alpha": OF_CODES,
        "contract": OF_CODES,
        "weights": OF_CODES,
        "image_size": OF_CODES,
        "features_from": OF_CODES,
        "pooling": OF_CODES,
    },
)
DEFAULT_PHASE = phase_section().to_dict()
DEFAULT_MODEL = model_section().to_dict()


def knows_all(model: ConfigDict, phase: Phase, spec: OptimizerSpec) -> bool:
    """Says whether the batched computation knows all that a head needs.

    Args:
        model: Section of the trial's config.
        phase: That trains the head.
        spec: Its optimizer.
    """
    group = phase.groups.get(HEAD, GroupSettings())
    return (
        MODEL.allows(model.to_dict(), DEFAULT_MODEL)
        and PHASE.allows(vars(phase), DEFAULT_PHASE)
        and GROUP.allows(vars(group), _defaults(group))
        and SPEC.allows(vars(spec), _defaults(spec))
    )


def _defaults(values: Any) -> dict[str, Any]:
    """Returns the defaults of a dataclass's fields that have one."""
    return {
        field.name: field.default
        for field in dataclasses.fields(values)
        if field.default is not dataclasses.MISSING
    }
