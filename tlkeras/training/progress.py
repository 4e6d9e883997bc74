"""Where a run stands: values that the spine replaces and commits."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tlkeras.evaluation.phase_details import PhaseComparison, PhaseDetails
from tlkeras.training.phase_plan import PhasePlan


@dataclasses.dataclass(frozen=True)
class BestWeights:
    """Where the best weights of a phase are, and their score.

    Attributes:
        file: Name in `checkpoints/`.
        epoch: Finished epochs when they were written; 0 = before training.
        metrics: On validation: the primary metric, and `loss`.
        scores: Per-image scores on validation, [N].
    """

    file: str
    epoch: int
    metrics: Mapping[str, float]
    scores: list[float]


@dataclasses.dataclass(frozen=True)
class PhaseOutcome:
    """A finished phase.

    Attributes:
        phase: Its name.
        best: Its best weights.
        seconds: Training time, over all restarts.
        stopped: Why it ended early, or "".
        trainable_parameters: Number of trained parameters.
        kept: Whether its weights replaced those before.
        comparison: The paired comparison with the weights before, or None.
        details: E.g. the chosen strength of a solved phase.
    """

    phase: str
    best: BestWeights
    seconds: float
    stopped: str
    trainable_parameters: int
    kept: bool = False
    comparison: PhaseComparison | None = None
    details: PhaseDetails = dataclasses.field(default_factory=PhaseDetails)


@dataclasses.dataclass(frozen=True)
class PhaseProgress:
    """Where a phase stands that is fitted epoch by epoch.

    Attributes:
        has_begun: Whether it did what comes before its epochs.
        epoch: Finished epochs.
        best: Its best weights so far, or None.
        seconds: Spent in it.
        callbacks: Class name -> state of its callbacks.
        first_steps: Group -> iteration at which its schedule began.
        learning_rate: That was found for it; None where none was to find.
        plan: Of it; None before it is decided.
    """

    has_begun: bool = False
    epoch: int = 0
    best: BestWeights | None = None
    seconds: float = 0.0
    callbacks: Mapping[str, Mapping[str, Any]] = dataclasses.field(
        default_factory=dict
    )
    first_steps: Mapping[str, int] = dataclasses.field(default_factory=dict)
    learning_rate: float | None = None
    plan: PhasePlan | None = None


@dataclasses.dataclass(frozen=True)
class RunProgress:
    """Where a run stands.

    Attributes:
        outcomes: Of finished phases.
        current: The phase after them.
        learning_rates: Phase -> rate that was found for it.
        plans: Phase -> what was decided before it began.
        timings: `seconds/...` entries that are complete.
        total_seconds: Wall time of all processes that worked on the run.
        starting_seconds: Of them too, before that: imports, data, network.
        prepared_seconds: Of one process: imports and first checks.
    """

    outcomes: tuple[PhaseOutcome, ...] = ()
    current: PhaseProgress = PhaseProgress()
    learning_rates: Mapping[str, float] = dataclasses.field(
        default_factory=dict
    )
    plans: Mapping[str, PhasePlan] = dataclasses.field(default_factory=dict)
    timings: Mapping[str, float] = dataclasses.field(default_factory=dict)
    total_seconds: float = 0.0
    starting_seconds: float = 0.0
    prepared_seconds: float = 0.0

    @property
    def kept(self) -> PhaseOutcome | None:
        """The phase whose weights are the best so far."""
        return next((o for o in reversed(self.outcomes) if o.kept), None)

    def of_phase(self, name: str) -> PhaseProgress:
        """Returns where the phase stands that comes next.

        Args:
            name: Of that phase.
        """
        return dataclasses.replace(
            self.current,
            learning_rate=self.learning_rates.get(name),
            plan=self.plans.get(name),
        )

    def with_phase(self, name: str, current: PhaseProgress) -> "RunProgress":
        """Returns the same with the current phase somewhere else.

        Args:
            name: Of that phase.
            current: Where it stands.
        """
        rates = dict(self.learning_rates)
        if current.learning_rate is not None:
            rates[name] = current.learning_rate
        plans = dict(self.plans)
        if current.plan is not None:
            plans[name] = current.plan
        return dataclasses.replace(
            self, current=current, learning_rates=rates, plans=plans
        )

    def with_outcome(
        self, outcome: PhaseOutcome, timings: Mapping[str, float]
    ) -> "RunProgress":
        """Returns the same after the current phase has ended.

        Args:
            outcome: Of that phase.
            timings: `seconds/...` -> seconds to add to what is known.
        """
        added = {
            name: round(self.timings.get(name, 0.0) + seconds, 3)
            for name, seconds in timings.items()
        }
        own = {f"seconds/{outcome.phase}": round(outcome.seconds, 3)}
        return dataclasses.replace(
            self,
            outcomes=(*self.outcomes, outcome),
            current=PhaseProgress(),
            timings={**self.timings, **added, **own},
        )

    def without(self, name: str, plan: PhasePlan) -> "RunProgress":
        """Returns the same with the phase that comes next left out.

        Args:
            name: Of that phase.
            plan: Of no epochs.
        """
        return dataclasses.replace(
            self, current=PhaseProgress(), plans={**self.plans, name: plan}
        )

    def to_json(self, conditions: Mapping[str, str]) -> str:
        """Returns the record of `state.npz`; its keys lie side by side.

        Args:
            conditions: What must not change between a commit and going on.
        """
        current = dataclasses.asdict(self.current)
        # They stand among those of all phases.
        del current["learning_rate"], current["plan"]
        outcomes = [
            {
                **dataclasses.asdict(outcome),
                "details": outcome.details.as_dict(),
            }
            for outcome in self.outcomes
        ]
        return json.dumps(
            {
                "outcomes": outcomes,
                **current,
                "learning_rates": dict(self.learning_rates),
                "plans": {
                    name: dataclasses.asdict(plan)
                    for name, plan in self.plans.items()
                },
                "timings": dict(self.timings),
                "total_seconds": self.total_seconds,
                "starting_seconds": self.starting_seconds,
                "prepared_seconds": self.prepared_seconds,
                "conditions": dict(conditions),
            }
        )

    @classmethod
    def from_json(
        cls, text: str | bytes
    ) -> tuple["RunProgress", dict[str, str]]:
        """Returns the progress and the conditions of a record."""
        values = json.loads(text)
        best = values["best"]
        names = {f.name for f in dataclasses.fields(PhaseProgress)}
        current = {name: values[name] for name in names & values.keys()}
        progress = cls(
            outcomes=tuple(map(_read_outcome, values["outcomes"])),
            current=PhaseProgress(
                **{**current, "best": best and BestWeights(**best)}
            ),
            learning_rates=values["learning_rates"],
            plans={
                name: PhasePlan(**plan)
                for name, plan in values.get("plans", {}).items()
            },
            timings=values["timings"],
            total_seconds=values["total_seconds"],
            starting_seconds=values.get("starting_seconds", 0.0),
            prepared_seconds=values.get("prepared_seconds", 0.0),
        )
        return progress, values["conditions"]


def _read_outcome(values: dict[str, Any]) -> PhaseOutcome:
    comparison = values["comparison"]
    return PhaseOutcome(
        **{
            **values,
            "best": BestWeights(**values["best"]),
            "comparison": comparison and PhaseComparison.from_dict(comparison),
            "details": PhaseDetails.from_dict(values["details"]),
        }
    )
