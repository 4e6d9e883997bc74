"""The oracles that `tuning.oracle` names, and taking one up again."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner import oracles

from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.tables import lookup
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.space.coarse_to_fine import split_stages
from tlkeras.tuning.space.hyperparameters import to_hyperparameters
from tlkeras.tuning.store.search_clock import SearchClock
from tlkeras.tuning.store.staged_oracle import StagedOracle
from tlkeras.tuning.store.stored_oracle import OBJECTIVE, StoredOracle

ALL_AT_ONCE = 10**6
NO_LIMIT = 10**9


class BayesianOracle(StoredOracle, oracles.BayesianOptimizationOracle):
    """keras-tuner's Gaussian process, stored safely."""


class HyperbandOracle(StoredOracle, oracles.HyperbandOracle):
    """keras-tuner's successive halving, stored safely."""


def _build_random(plan: SearchPlan) -> StoredOracle:
    sizes = split_stages(plan.num_trials, plan.config.tuning.stages)
    coarse = min(plan.config.tuning.coarse_epochs, plan.epochs)
    # A single stage is no coarse one: nothing finer comes after it.
    epochs = (
        coarse if len(sizes) > 1 else plan.epochs,
        *[plan.epochs] * (len(sizes) - 1),
    )
    return StagedOracle(
        plan.space, stage_sizes=sizes, stage_epochs=epochs, **_common(plan)
    )


def _build_bayesian(plan: SearchPlan) -> StoredOracle:
    return BayesianOracle(max_trials=plan.num_trials, **_common(plan))


def _build_hyperband(plan: SearchPlan) -> StoredOracle:
    return HyperbandOracle(max_epochs=plan.epochs, **_common(plan))


def _common(plan: SearchPlan) -> dict[str, Any]:
    return {
        "objective": keras_tuner.Objective(OBJECTIVE, "max"),
        "hyperparameters": to_hyperparameters(plan.space),
        "seed": plan.config.seed + 1,  # 0 would mean a random seed
        "max_consecutive_failed_trials": NO_LIMIT,
    }


@dataclasses.dataclass(frozen=True)
class OracleKind:
    """What `tuning.oracle` can name.

    Attributes:
        build: Makes a fresh one.
        batch_size: Trials that it proposes before it is told of any of them,
            where many run at once.
        takes_num_trials: Whether `tuning.num_trials` says how many trials
            there are, not the oracle.
        has_stages: Whether `tuning.patience` ends a stage, not the search.
        max_trials: More of them take too long to propose; None = no limit.
    """

    build: Callable[[SearchPlan], StoredOracle]
    batch_size: int
    takes_num_trials: bool = True
    has_stages: bool = False
    max_trials: int | None = None


ORACLES: dict[str, OracleKind] = {
    "random": OracleKind(_build_random, ALL_AT_ONCE, has_stages=True),
    "bayesian": OracleKind(_build_bayesian, 16, max_trials=1000),
    "hyperband": OracleKind(
        _build_hyperband, ALL_AT_ONCE, takes_num_trials=False
    ),
}


def oracle_kind(plan: SearchPlan) -> OracleKind:
    """Returns the row of the oracle that a search wants."""
    return lookup(ORACLES, plan.config.tuning.oracle, what="oracle")


def require_few_trials(plan: SearchPlan) -> None:
    """Refuses more trials than an oracle can propose.

    Raises:
        InputError: If there are more than its row says.
    """
    limit = oracle_kind(plan).max_trials
    if limit is not None and plan.num_trials > limit:
        raise InputError(
            f"tuning.oracle={plan.config.tuning.oracle} with "
            f"{plan.num_trials} trials would take seconds for each proposal, "
            "growing with their cube, while workers wait; expected at most "
            f"{limit}: set --config.tuning.oracle=random, or search heads on "
            "codes that are extracted once (--config.tuning.mode=codes)."
        )


def build_oracle(plan: SearchPlan, directory: Path) -> StoredOracle:
    """Builds the oracle of a search, or takes it up again.

    Args:
        plan: Of the search.
        directory: Of the search; the store is its folder `tuning/`.
    """
    kind = oracle_kind(plan)
    oracle = kind.build(plan)
    oracle.verbose = 0
    oracle.has_stages = kind.has_stages
    oracle.patience = plan.config.tuning.patience
    oracle.clock = SearchClock(directory, plan.config.tuning.max_seconds)
    oracle.deadline = oracle.clock.deadline
    oracle.ended = oracle.clock.over or ""
    oracle.set_folder(directory, workdir.TRIALS)
    if oracle.state_file.exists():
        oracle.reload()
        oracle.verbose = 0
    oracle.save()
    return oracle
