"""`history.csv` and the same scalars for TensorBoard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.evaluation.metrics import primary_metric
from tlkeras.models.depths import depth_sections
from tlkeras.training.phases import Phase


def history_columns(metric: str, groups: Sequence[str]) -> list[str]:
    """Returns the columns; groups are those of all phases."""
    return [
        "phase",
        "epoch",
        "step",
        "train/loss",
        f"train/{metric}",
        "train/loss_noise",
        "val/loss",
        f"val/{metric}",
        *(f"learning_rate/{group}" for group in groups),
        *(f"update_ratio/{group}" for group in groups),
        "seconds",
    ]


def open_history(
    config: ConfigDict,
    directory: Path,
    phases: Sequence[Phase],
    *,
    backbone: keras.Model,
    multi_label: bool,
) -> "History":
    """Opens the history of a run, with columns for the groups of all phases.

    Args:
        config: Of the run.
        directory: Of the run.
        phases: All that are to run.
        backbone: Whose parts by depth are groups where a rate decays by layer.
        multi_label: Whether images may carry several labels.
    """
    names = dict.fromkeys(name for p in phases for name in p.groups)
    if any(phase.layer_decay is not None for phase in phases):
        names |= dict.fromkeys(f"stage{number}" for number in range(7))
        sections = depth_sections(backbone)  # blocks, in a transformer
        names |= dict.fromkeys(name for name in sections if name != "all")
    return History(
        directory / workdir.HISTORY,
        history_columns(primary_metric(multi_label), list(names)),
        directory / workdir.TENSORBOARD if config.runtime.tensorboard else None,
    )


class History:
    """Rows of a run, written whole and atomically after each epoch.

    Args:
        path: Of `history.csv`.
        columns: From `history_columns`.
        tensorboard: Folder for event files, or None.
    """

    def __init__(
        self, path: Path, columns: list[str], tensorboard: Path | None
    ) -> None:
        self.path = path
        self.columns = columns
        self.rows: list[dict[str, Any]] = [*workdir.read_table(path)]
        self.tensorboard = tensorboard
        self._writer: Any = None

    def cut_back(self, committed: dict[str, float]) -> None:
        """Drops rows beyond the last committed epoch of each phase.

        Args:
            committed: Phase -> epochs that are committed; infinity for a
                finished phase.

        Raises:
            InputError: If the file holds something else.
        """
        with workdir.reading(self.path):
            self.rows = [
                row
                for row in self.rows
                if int(row["epoch"]) <= committed.get(row["phase"], 0)
            ]
            self._save()

    def add(self, row: dict[str, Any]) -> None:
        """Appends a row; also to TensorBoard, on a step axis over phases."""
        self.rows.append(row)
        self._save()
        if self.tensorboard is None:
            return
        if self._writer is None:
            from tensorboard.summary import Writer

            self._writer = Writer(str(self.tensorboard))
        for name, value in row.items():
            if isinstance(value, float):
                self._writer.add_scalar(name, value, len(self.rows))
        self._writer.flush()

    def _save(self) -> None:
        workdir.write_table(self.path, self.columns, self.rows)
