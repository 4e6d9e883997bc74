"""`soup.json`: which runs are in a soup, and what it is worth."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tlkeras.evaluation.phase_details import PhaseComparison
from tlkeras.studies.soup_answers import Answers
from tlkeras.studies.soup_members import Member


@dataclasses.dataclass(frozen=True)
class SoupRow:
    """A run that was given.

    Attributes:
        run: Its directory.
        seed: Of its config.
        metrics: On validation: `loss` and the primary metric.
        is_in: Whether its weights are in the average.
        comparison: The average with it against the one without; None for the
            run that the soup began with.
    """

    run: str
    seed: int
    metrics: Mapping[str, float]
    is_in: bool
    comparison: PhaseComparison | None = None

    @classmethod
    def of(
        cls,
        member: Member,
        answers: Answers,
        comparison: PhaseComparison | None,
        *,
        is_in: bool,
    ) -> "SoupRow":
        """Describes a member."""
        return cls(member.name, member.seed, answers.metrics, is_in, comparison)

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        paired = self.comparison and self.comparison.as_dict()
        return {**vars(self), "comparison": paired}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SoupRow":
        """Reads what `as_dict` gave."""
        paired = values["comparison"]
        return cls(
            **{
                **values,
                "comparison": paired and PhaseComparison.from_dict(paired),
            }
        )


@dataclasses.dataclass(frozen=True)
class SoupRecord:
    """What `soup.json` holds.

    Attributes:
        runs: Those given, in that order.
        metrics: Of the soup on validation: `loss` and the primary metric.
        mean_of_runs: Mean score of an image over the runs: what a run with a
            seed drawn at random scores.
        against_best: The soup and the best run.
        against_mean: The soup and the mean of the runs.
        ensemble: The mean of all runs' probabilities, which costs as many
            networks when serving, and the mean of the runs.
    """

    runs: tuple[SoupRow, ...]
    metrics: Mapping[str, float]
    mean_of_runs: float
    against_best: PhaseComparison
    against_mean: PhaseComparison
    ensemble: PhaseComparison

    @property
    def num_averaged(self) -> int:
        """Runs whose weights are in the soup."""
        return sum(row.is_in for row in self.runs)

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            "runs": [row.as_dict() for row in self.runs],
            "metrics": dict(self.metrics),
            "mean_of_runs": self.mean_of_runs,
            "against_best": self.against_best.as_dict(),
            "against_mean": self.against_mean.as_dict(),
            "ensemble": self.ensemble.as_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SoupRecord":
        """Reads what `as_dict` gave."""
        names = ("against_best", "against_mean", "ensemble")
        return cls(
            runs=tuple(SoupRow.from_dict(row) for row in values["runs"]),
            metrics=values["metrics"],
            mean_of_runs=values["mean_of_runs"],
            **{name: PhaseComparison.from_dict(values[name]) for name in names},
        )


def describe_metrics(metrics: Mapping[str, float]) -> str:
    """Returns a network's figures in one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())


def format_soup(record: SoupRecord) -> str:
    """Returns the result for people."""
    count, out_of = record.num_averaged, len(record.runs)
    lines = [
        f"soup of {count} of {out_of} runs: {describe_metrics(record.metrics)}",
        f"against the best run, {record.against_best.against}: "
        f"{record.against_best.describe()}",
        f"against a run by chance ({record.mean_of_runs:.4f} on average): "
        f"{record.against_mean.describe()}",
    ]
    if out_of > 1:
        lines.append(
            f"all {out_of} runs answering together, at {out_of} times the cost "
            f"of serving: {record.ensemble.describe()} against a run by "
            "chance"
        )
    return "\n".join(lines)
