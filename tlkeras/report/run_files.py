"""What a finished run left in its directory, read once for the report."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.run_directory import read_config
from tlkeras.errors import InputError
from tlkeras.evaluation.calibration_gain import CalibrationGain
from tlkeras.evaluation.evaluate import read_test_looks
from tlkeras.evaluation.heat_map import HeatMap
from tlkeras.evaluation.mistakes import read_mistake_maps
from tlkeras.evaluation.records import PhaseRecord, RunResult, read_result
from tlkeras.report import forms

EVALUATED = ("validation", "test")
MAX_CLASS_ROWS = 60  # of more classes a table shows some
# What a section shows: name in its template -> value.
Content = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class RunFiles:
    """The files of a finished run; what an older run lacks is None or empty.

    Attributes:
        directory: Of the run.
        config: As it was resolved.
        result: What `result.json` holds.
        history: Rows of `history.csv`.
        evaluations: Split -> its metrics, for splits that were evaluated.
        gains: Split -> what calibration changed on it, where it did.
        predictions: Split -> rows of its `predictions_SPLIT.csv`.
        maps: Split -> path -> scores of the answer, for the surest
            mistakes.
        ledger: What was found and left out.
        num_test_looks: How often the test split was looked at.
        checks: A record a check.
        suspects: Labels in doubt, the most doubtful first; None where no
            check looked for them.
        diagnosis: What `tlkeras train` found in the curves.
        lr_finder: Phase -> range test.
        tuning: The search that this run's settings came from.
        export: What was exported, and what it cost.
    """

    directory: Path
    config: ConfigDict
    result: RunResult
    history: list[dict[str, str]]
    evaluations: dict[str, dict[str, Any]]
    gains: dict[str, CalibrationGain]
    predictions: dict[str, list[dict[str, str]]]
    maps: dict[str, Mapping[str, HeatMap]]
    ledger: dict[str, Any]
    num_test_looks: int
    checks: list[dict[str, Any]]
    suspects: list[dict[str, str]] | None
    diagnosis: dict[str, Any] | None
    lr_finder: dict[str, Any] | None
    tuning: dict[str, Any] | None
    export: dict[str, Any] | None

    @property
    def title(self) -> str:
        """The name of the data, without its folders."""
        source = str(self.config.data.source)
        return Path(source).name or source

    @property
    def class_names(self) -> list[str]:
        """[C] names in the order of the logits."""
        return list(self.result.class_names)

    @property
    def multi_label(self) -> bool:
        """Whether an image may carry several labels."""
        return self.result.multi_label

    @property
    def metric(self) -> str:
        """The metric that models are chosen by, without prefix."""
        return self.result.metric

    @property
    def metric_name(self) -> str:
        """The same metric in words."""
        words = self.metric.replace("_", " ")
        return words.replace("top 1", "top-1")

    @property
    def shown_split(self) -> str:
        """The split whose errors are shown: test, where there is one."""
        return "test" if "test" in self.evaluations else "validation"

    @property
    def shown(self) -> dict[str, Any]:
        """The metrics of `shown_split`."""
        return self.evaluations[self.shown_split]

    @property
    def answers(self) -> list[dict[str, str]]:
        """The predictions on `shown_split`; empty for older runs."""
        return self.predictions[self.shown_split]

    @property
    def mistake_maps(self) -> Mapping[str, HeatMap]:
        """Path -> where the answer was seen, on `shown_split`."""
        return self.maps[self.shown_split]

    @property
    def phases(self) -> tuple[PhaseRecord, ...]:
        """The record of each phase, in order."""
        return self.result.phases


def read_run_files(directory: Path) -> RunFiles:
    """Reads the files of a finished run.

    Raises:
        InputError: If the directory holds no finished run, or one of a newer
            version, or a corrupt file.
    """
    config = read_config(directory)
    if not (directory / workdir.RESULT).exists():
        raise InputError(
            f"The run in '{directory}' is not finished; expected a finished "
            "one: run the same tlkeras train command again."
        )
    result = read_result(directory)
    with workdir.reading(directory / workdir.RESULT):
        for row in result.phases:
            row.metrics[result.metric], row.metrics["loss"]
    metrics = {**forms.METRICS, result.metric: 0.0}
    evaluations = {
        split: forms.read_form(path, metrics)
        for split in EVALUATED
        if (path := directory / workdir.evaluation_name(split)).exists()
    }
    if "validation" not in evaluations:
        name = workdir.evaluation_name("validation")
        raise InputError(
            f"The run in '{directory}' lacks {name}; expected it beside "
            f"{workdir.RESULT}: run tlkeras evaluate --workdir={directory} "
            "--split=validation."
        )
    return RunFiles(
        directory=directory,
        config=config,
        result=result,
        history=_read_history(directory / workdir.HISTORY),
        evaluations=evaluations,
        gains={
            split: gain
            for split, metrics in evaluations.items()
            if (gain := _read_gain(directory, split, metrics))
        },
        predictions={
            split: workdir.read_table(
                directory / workdir.predictions_name(split)
            )
            for split in evaluations
        },
        maps={
            split: read_mistake_maps(directory, split) for split in evaluations
        },
        ledger=forms.read_form(directory / workdir.LEDGER, forms.LEDGER),
        num_test_looks=len(read_test_looks(directory)),
        checks=_read_optional(directory / workdir.CHECKS, forms.CHECKS) or [],
        suspects=read_suspects(directory / workdir.SUSPECT_LABELS),
        diagnosis=_read_optional(
            directory / workdir.DIAGNOSIS, forms.DIAGNOSIS
        ),
        lr_finder=_read_optional(
            directory / workdir.LR_FINDER, forms.RANGE_TESTS
        ),
        tuning=_read_optional(directory / workdir.TUNING),
        export=_read_optional(directory / workdir.EXPORT),
    )


def _read_optional(path: Path, form: Any = None) -> Any:
    return forms.read_form(path, form) if path.exists() else None


def read_suspects(path: Path) -> list[dict[str, str]] | None:
    """Reads the labels in doubt; None where the file does not exist.

    Raises:
        InputError: If it is damaged.
    """
    if not path.exists():
        return None
    rows = workdir.read_table(path)
    with workdir.reading(path):
        for row in rows:
            row["path"], row["given"], row["likely"], float(row["confidence"])
    return rows


def _read_gain(
    directory: Path, split: str, metrics: Mapping[str, Any]
) -> CalibrationGain | None:
    with workdir.reading(directory / workdir.evaluation_name(split)):
        gain = metrics.get("calibration")
        return gain and CalibrationGain.from_dict(gain)


def _read_history(path: Path) -> list[dict[str, str]]:
    rows = workdir.read_table(path)
    with workdir.reading(path):
        for row in rows:
            for name, cell in row.items():
                if name != "phase":
                    float(cell or "nan")
    return rows
