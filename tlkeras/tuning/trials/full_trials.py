"""Trials in full mode: each is `tlkeras train` in a process of its own.

One that dies costs one trial. The processes share the cache of activations,
so that trials with the same cut compute its prefix once.
"""

import dataclasses
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.config_file import write_config_file
from tlkeras.console import Console
from tlkeras.data.load import load_configured
from tlkeras.errors import GateError, InputError
from tlkeras.evaluation.records import RunResult
from tlkeras.tuning.plan import SearchPlan
from tlkeras.tuning.trials.asked import Asked, MakeConfig
from tlkeras.tuning.trials.data_checks import check_data
from tlkeras.tuning.trials.networks import check_networks
from tlkeras.tuning.trials.outcome import (
    COMPLETED,
    DIVERGED,
    FAILED,
    TrialOutcome,
    store_of,
)
from tlkeras.tuning.trials.watched_process import (
    Limits,
    ProcessEnd,
    run_watched,
    tlkeras_command,
)

CONFIG_FILE = "config.py"
# Of a finished trial, removed by `remove_weights`.
HEAVY = (workdir.CHECKPOINTS, workdir.MODEL, workdir.TENSORBOARD)


def train_command(config_file: Path, directory: Path) -> list[str]:
    """Returns the command that trains a config in a child process."""
    return tlkeras_command(
        "train", f"--config={config_file}", f"--workdir={directory}", "--quiet"
    )


def train_in_child(
    config: ConfigDict, folder: Path, run: Path, limits: Limits, title: str
) -> ProcessEnd:
    """Trains a config in a child process.

    Args:
        config: To train.
        folder: Gets the config as a file, and the log.
        run: The run directory.
        limits: Of the process.
        title: Of the config file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config_file = folder / CONFIG_FILE
    write_config_file(config_file, config, title)
    return run_watched(
        train_command(config_file, run),
        log=folder / workdir.LOG,
        limits=limits,
    )


@dataclasses.dataclass(frozen=True)
class ProcessTrials:
    """Runs trials one by one, each in a process of its own; a `TrialRunner`.

    Attributes:
        make_config: (values, epochs=, seed=) -> the config of a trial.
        phase: Name of the last searched phase, which gives the score.
        limits: Of each trial.
    """

    make_config: MakeConfig
    phase: str
    limits: Limits

    runs_batches: ClassVar[bool] = False

    @classmethod
    def check_space(cls, plan: SearchPlan) -> None:
        """Tries the networks of the space."""
        check_networks(plan)

    @classmethod
    def start(
        cls, config: ConfigDict, plan: SearchPlan, console: Console
    ) -> tuple["ProcessTrials", SearchPlan]:
        """Loads the data, to check and count them: each trial loads its own."""
        dataset = load_configured(plan.config, console=console)
        check_data(config, dataset, console)
        plan = plan.resolved(len(dataset.splits["train"]))
        return cls.of(plan), plan

    @classmethod
    def of(cls, plan: SearchPlan) -> "ProcessTrials":
        """Returns the runner of a search whose data are checked already."""
        tuning = plan.config.tuning
        limits = Limits(tuning.max_trial_seconds, tuning.max_trial_bytes)
        return cls(plan.trial_config, plan.phases[-1], limits)

    def until(self, deadline: float | None) -> "ProcessTrials":
        """Returns a runner that kills a trial at a deadline."""
        limits = dataclasses.replace(self.limits, deadline=deadline)
        return dataclasses.replace(self, limits=limits)

    def __call__(
        self, asked: Sequence[Asked]
    ) -> Iterator[tuple[Asked, TrialOutcome]]:
        """Runs trials; yields what became of each when it ends."""
        for one in asked:
            yield one, self._run(one)

    def _run(self, one: Asked) -> TrialOutcome:
        started = time.perf_counter()
        config = self.make_config(one.values, epochs=one.epochs, seed=one.seed)
        # The winner's run is checked and reported on; a trial is neither.
        config.checks.enabled = False
        config.report.enabled = False
        config.runtime.tensorboard = False
        run = one.folder / workdir.TRIAL_RUN
        end = train_in_child(
            config, one.folder, run, self.limits, "One trial of a search."
        )
        outcome = describe_run(
            run, end, one.folder / workdir.LOG, phase=self.phase
        )
        outcome = dataclasses.replace(
            outcome,
            values=one.values,
            epochs=one.epochs,
            seconds=round(time.perf_counter() - started, 3),
        )
        remove_weights(run)
        return outcome

    def train_run(self, config: ConfigDict, directory: Path) -> None:
        """Trains a final run in a process of its own, without limits."""
        name = directory.name
        folder = store_of(directory.parent) / f"run_{name}"
        end = train_in_child(
            config, folder, directory, Limits(), f"The run {name}."
        )
        if not (directory / workdir.RESULT).exists():
            raise GateError(
                f"The run in '{directory}' failed ({end.reason or end.code}); "
                f"see '{folder / workdir.LOG}'."
            )


def remove_weights(run: Path) -> None:
    """Removes what is large of a finished trial: the winner trains again."""
    for name in HEAVY:
        shutil.rmtree(run / name, ignore_errors=True)
        if (run / name).is_file():
            (run / name).unlink()


def describe_run(
    run: Path, end: ProcessEnd, log: Path, *, phase: str
) -> TrialOutcome:
    """Returns what became of a run, from its end and its files.

    Args:
        run: The run directory.
        end: Of the process.
        log: What it printed.
        phase: Whose best epoch is the score, even where the weights of the
            phase before were kept: they would be the same in all trials.
    """
    history = read_history(run, phase)
    if end.reason or not (run / workdir.RESULT).exists():
        reason = end.reason or _last_words(log) or f"exit code {end.code}"
        return TrialOutcome({}, FAILED, reason, history=history)
    result = RunResult.from_dict(workdir.read_json(run / workdir.RESULT))
    stopped = [f"{p.phase}: {p.stopped}" for p in result.phases if p.stopped]
    if stopped:
        return TrialOutcome({}, DIVERGED, stopped[0], history=history)
    (row,) = (r for r in result.phases if r.phase == phase)
    return TrialOutcome(
        {},
        COMPLETED,
        val_accuracy=row.metrics[result.metric],
        val_loss=row.metrics["loss"],
        best_epoch=row.best_epoch,
        history=history,
    )


def read_history(run: Path, phase: str) -> list[dict[str, float]]:
    """Returns the losses and metrics of the epochs of a run's phase."""
    try:
        rows = workdir.read_table(run / workdir.HISTORY)
    except InputError:
        return []
    return [
        {
            name: float(text)
            for name, text in row.items()
            if text and name.startswith(("train/", "val/"))
        }
        for row in rows
        if row["phase"] == phase
    ]


def _last_words(log: Path) -> str:
    """Returns the last sentence that a command printed about its end."""
    if not log.exists():
        return ""
    lines = log.read_text("utf-8", errors="replace").splitlines()
    said = [line for line in lines if line.startswith("tlkeras: ")]
    words = said or [line for line in lines if line.strip()]
    return words[-1].removeprefix("tlkeras: ")[:500] if words else ""
