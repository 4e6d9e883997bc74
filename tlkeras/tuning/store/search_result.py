"""What a search found, as `tuning.json` holds it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.evaluation.metrics import PairedComparison
from tlkeras.ranking import rank_key
from tlkeras.tuning.trials.outcome import TrialOutcome


@dataclasses.dataclass(frozen=True)
class Noise:
    """What the seed alone changes.

    Attributes:
        floor: Largest difference between two trainings of one point; None
            where fewer than two completed.
        accuracies: Of the trainings that completed.
    """

    floor: float | None
    accuracies: tuple[float, ...]

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Noise":
        """Returns what the file holds."""
        return cls(stored["floor"], tuple(stored["accuracies"]))


@dataclasses.dataclass(frozen=True)
class Finalist:
    """One of the best trials, trained again with several seeds.

    Attributes:
        trial: Its index among the outcomes.
        accuracies: Of each seed that completed.
        losses: Likewise.
        num_seeds: That it was trained with.
    """

    trial: int
    accuracies: tuple[float, ...]
    losses: tuple[float, ...]
    num_seeds: int

    @property
    def mean(self) -> float:
        """Mean accuracy over all seeds; one that diverged counts as 0."""
        return sum(self.accuracies) / self.num_seeds

    @property
    def rank(self) -> tuple[float, float]:
        """Higher is better; ties are broken by the loss."""
        loss = float(np.mean(self.losses)) if self.losses else np.inf
        return rank_key(self.mean, loss)

    def as_dict(self) -> dict[str, Any]:
        """Returns what the file holds."""
        return {**dataclasses.asdict(self), "mean": self.mean}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Finalist":
        """Returns what `as_dict` wrote."""
        return cls(
            stored["trial"],
            tuple(stored["accuracies"]),
            tuple(stored["losses"]),
            stored["num_seeds"],
        )


@dataclasses.dataclass(frozen=True)
class SplitComparison:
    """The winner's run against the one of the config as given, on a split.

    Attributes:
        given: Mean score of the config as given.
        tuned: Of the winner.
        paired: Image by image.
    """

    given: float
    tuned: float
    paired: PairedComparison

    def as_dict(self) -> dict[str, Any]:
        """Returns what the file holds."""
        return {
            "given": self.given,
            "tuned": self.tuned,
            **dataclasses.asdict(self.paired),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "SplitComparison":
        """Returns what `as_dict` wrote."""
        rest = dict(stored)
        given, tuned = rest.pop("given"), rest.pop("tuned")
        rest["interval"] = tuple(rest["interval"])
        return cls(given, tuned, PairedComparison(**rest))


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The winner's run against the one of the config as given.

    Attributes:
        splits: `validation`, `test` -> the comparison; without splits whose
            images were not answered by both.
        is_better: Whether the winner is, on validation, beyond chance.
    """

    splits: Mapping[str, SplitComparison]
    is_better: bool

    def as_dict(self) -> dict[str, Any]:
        """Returns what the file holds."""
        splits = {name: row.as_dict() for name, row in self.splits.items()}
        return {**splits, "is_better": self.is_better}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Comparison":
        """Returns what `as_dict` wrote."""
        splits = {
            name: SplitComparison.from_dict(row)
            for name, row in stored.items()
            if name != "is_better"
        }
        return cls(splits, stored["is_better"])


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """A finished search.

    Attributes:
        metric: That trials are ranked by, `val/METRIC`.
        best: Index of the winner among the trials.
        mode: How trials ran.
        oracle: That proposed them.
        phases: Names of the searched phases.
        space: Field -> its range, as it is written.
        stages: What led from stage to stage, for people.
        ended: Why the search ended before its trials were used up, or "".
        trials: All of them; read from the file, without their histories.
        noise: Of the best point.
        tied: Indices of trials that noise cannot tell from the best.
        finalists: Trained again, the winner first.
        comparison: None where the config as given was not trained.
        seconds: `search` and `total`; empty before the end.
        settings: Of `tuning`: how the search was concluded.
    """

    metric: str
    best: int
    mode: str
    oracle: str
    phases: tuple[str, ...]
    space: Mapping[str, str]
    stages: tuple[str, ...]
    ended: str
    trials: tuple[TrialOutcome, ...]
    noise: Noise
    tied: tuple[int, ...]
    finalists: tuple[Finalist, ...]
    comparison: Comparison | None = None
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Returns what the file holds."""
        given = {}
        if self.comparison is not None:
            given = {
                "given_run": workdir.GIVEN_RUN,
                "comparison": self.comparison.as_dict(),
            }
        return {
            "metric": self.metric,
            "num_trials": len(self.trials),
            "best": self.best,
            "mode": self.mode,
            "oracle": self.oracle,
            "phases": self.phases,
            "space": dict(self.space),
            "stages": self.stages,
            "ended": self.ended,
            "trials": [trial.as_row() for trial in self.trials],
            "noise_floor": self.noise.floor,
            "noise": dataclasses.asdict(self.noise),
            "tied": self.tied,
            "finalists": [finalist.as_dict() for finalist in self.finalists],
            "tuned_config": workdir.TUNED_CONFIG,
            "tuned_run": workdir.TUNED_RUN,
            **given,
            "seconds": dict(self.seconds),
            "settings": dict(self.settings),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "SearchResult":
        """Returns what `as_dict` wrote."""
        compared = stored.get("comparison")
        return cls(
            metric=stored["metric"],
            best=stored["best"],
            mode=stored["mode"],
            oracle=stored["oracle"],
            phases=tuple(stored["phases"]),
            space=stored["space"],
            stages=tuple(stored["stages"]),
            ended=stored["ended"],
            trials=tuple(map(TrialOutcome.from_dict, stored["trials"])),
            noise=Noise.from_dict(stored["noise"]),
            tied=tuple(stored["tied"]),
            finalists=tuple(map(Finalist.from_dict, stored["finalists"])),
            comparison=Comparison.from_dict(compared) if compared else None,
            seconds=stored.get("seconds", {}),
            settings=stored.get("settings", {}),
        )
