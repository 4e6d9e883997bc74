"""A head to train on cached codes, and with which others it can train."""

import dataclasses
from typing import Any

from ml_collections import ConfigDict

from tlkeras.data.epoch import steps_per_epoch
from tlkeras.linear.head_steps import STEPS
from tlkeras.models.heads import HEADS, HeadSpec
from tlkeras.optim.optimizers import OptimizerSpec
from tlkeras.training.phases import Phase, read_phases
from tlkeras.tuning.trials.batchable import knows_all
from tlkeras.tuning.trials.lone_head import head_optimizer


@dataclasses.dataclass(frozen=True)
class HeadJob:
    """One head to train on codes: a trial's config, read once.

    Attributes:
        config: Of the trial.
        phase: The phase that trains the head.
        optimizer: Of the head.
    """

    config: ConfigDict
    phase: Phase
    optimizer: OptimizerSpec

    @property
    def head(self) -> HeadSpec:
        """Row of the table of heads."""
        return HEADS[self.config.model.head]

    @property
    def is_batchable(self) -> bool:
        """Whether the batched computation knows all that the head needs."""
        return (
            self.head.is_batchable
            and self.optimizer.optimizer in STEPS
            and knows_all(self.config.model, self.phase, self.optimizer)
        )

    @property
    def shared(self) -> tuple[Any, ...]:
        """What heads of one computation have in common."""
        return (
            self.is_batchable,
            self.head.loss,
            # AdamW is Adam whose decay is applied apart, as here for all.
            self.optimizer.optimizer.replace("adamw", "adam"),
            self.phase.batch_size,
            self.phase.epochs,
            self.phase.divergence_factor,
            self.config.model.head_initializer,
            self.config.data.class_weighting,
            self.config.seed,
        )


def make_job(config: ConfigDict, num_images: int) -> HeadJob:
    """Reads what a trial on codes needs from its config.

    Args:
        config: Of the trial; its first phase trains the head.
        num_images: In the training split.
    """
    phase = read_phases(config.phases, num_images)[0]
    steps = steps_per_epoch(num_images, phase.batch_size)
    return HeadJob(config, phase, head_optimizer(phase, steps))
