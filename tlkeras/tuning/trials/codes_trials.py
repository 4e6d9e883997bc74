"""Trials in codes mode: heads on cached codes, in this process, at once."""

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from ml_collections import ConfigDict

from tlkeras.console import Console
from tlkeras.linear.head_specs import TrainedHead
from tlkeras.training.trainer import train_and_evaluate
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.space.hyperparameters import Values
from tlkeras.tuning.trials.asked import Asked, MakeConfig
from tlkeras.tuning.trials.codes import HeadCodes, load_head_codes
from tlkeras.tuning.trials.data_checks import check_data
from tlkeras.tuning.trials.head_trials import run_head_trials
from tlkeras.tuning.trials.outcome import COMPLETED, DIVERGED, TrialOutcome


def never() -> bool:
    """Says that the time is not up."""
    return False


@dataclasses.dataclass(frozen=True)
class CodesTrials:
    """Runs batches of trials on codes; a `TrialRunner`.

    Attributes:
        codes: Of the images.
        make_config: (values, epochs=, seed=) -> the config of a trial.
        is_over: Whether the time is up.
    """

    codes: HeadCodes
    make_config: MakeConfig
    is_over: Callable[[], bool] = never

    runs_batches: ClassVar[bool] = True

    @classmethod
    def check_space(cls, plan: SearchPlan) -> None:
        """Nothing: the space holds no field that changes the network."""

    @classmethod
    def start(
        cls, config: ConfigDict, plan: SearchPlan, console: Console
    ) -> tuple["CodesTrials", SearchPlan]:
        """Computes the codes, or finds them in the cache."""
        codes = load_head_codes(plan.config, console)
        check_data(config, codes.dataset, console)
        plan = plan.resolved(len(codes.codes["train"]))
        return cls(codes, plan.trial_config), plan

    def until(self, deadline: float | None) -> "CodesTrials":
        """Returns a runner that ends heads where they are at a deadline."""
        if deadline is None:
            return dataclasses.replace(self, is_over=never)
        return dataclasses.replace(
            self, is_over=lambda: time.monotonic() > deadline
        )

    def __call__(
        self, asked: Sequence[Asked]
    ) -> Iterator[tuple[Asked, TrialOutcome]]:
        """Trains the heads of some trials; yields what comes out, when."""
        configs = [
            self.make_config(one.values, epochs=one.epochs, seed=one.seed)
            for one in asked
        ]
        for heads in run_head_trials(configs, self.codes, is_over=self.is_over):
            for number, head in heads.items():
                one = asked[number]
                yield one, describe_head(head, one.values, epochs=one.epochs)

    def train_run(self, config: ConfigDict, directory: Path) -> None:
        """Trains a final run, or leaves the finished one as it is."""
        train_and_evaluate(config, directory)


def describe_head(
    head: TrainedHead, values: Values, *, epochs: int
) -> TrialOutcome:
    """Returns a trained head as the outcome of its trial.

    Args:
        head: At its best epoch.
        values: Of the trial.
        epochs: That it was to train for.
    """
    outcome = TrialOutcome(
        values=values,
        status=DIVERGED if head.stopped else COMPLETED,
        reason=head.stopped,
        epochs=epochs,
        history=head.history,
        seconds=head.seconds,
    )
    if not head.epoch or head.stopped:
        return outcome
    row = head.history[head.epoch - 1]
    metric = next(k for k in row if k.startswith("val/") and k != "val/loss")
    return dataclasses.replace(
        outcome,
        val_accuracy=row[metric],
        val_loss=row["val/loss"],
        best_epoch=head.epoch,
    )
