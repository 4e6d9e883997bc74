"""`diagnosis.json` of a run, from the files in its directory."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.evaluation.diagnosis import diagnose
from tlkeras.evaluation.phase_history import Finding, PhaseHistory
from tlkeras.evaluation.records import VALIDATION, PhaseRecord, RunResult
from tlkeras.optim.losses import LOSSES
from tlkeras.tables import lookup

FLAT = 1e-6  # standard deviation over images of a dead code


def write_diagnosis(
    directory: Path, config: ConfigDict, result: RunResult
) -> list[Finding]:
    """Writes `diagnosis.json` of a run, and returns its findings.

    Args:
        directory: Of the run; its history, ledger and codes are read.
        config: Of the run.
        result: What `result.json` holds, or is about to.
    """
    findings = [
        finding
        for history in read_histories(directory, config, result)
        for finding in diagnose(history)
    ]
    workdir.write_json(
        directory / workdir.DIAGNOSIS,
        {"findings": [dataclasses.asdict(finding) for finding in findings]},
    )
    return findings


def read_histories(
    directory: Path, config: ConfigDict, result: RunResult
) -> list[PhaseHistory]:
    """Returns the curves of the phases that were fitted, in order.

    Args:
        directory: Of the run.
        config: Its config.
        result: Its `result.json`.
    """
    rows = workdir.read_table(directory / workdir.HISTORY)
    loss = lookup(LOSSES, result.loss, what="loss")
    path = directory / workdir.LEDGER
    with workdir.reading(path):
        counts = workdir.read_json(path)["class_counts"]["validation"]
        shares = np.array(list(counts.values()), float)
    num_validation = result.scores[VALIDATION].num_examples
    shares /= num_validation
    return [
        _read_phase(
            [row for row in rows if row["phase"] == outcome.phase],
            config,
            outcome,
            metric=result.metric,
            knowing_nothing=loss.expected_at_zero(len(result.class_names)),
            chance=float(shares.mean() if result.multi_label else shares.max()),
            num_validation=num_validation,
            dead_codes=_dead_codes(directory) if outcome.kept else None,
        )
        for outcome in result.phases
        if outcome.is_fitted
    ]


def _read_phase(
    rows: list[dict[str, str]],
    config: ConfigDict,
    outcome: PhaseRecord,
    *,
    metric: str,
    **about: Any,
) -> PhaseHistory:
    groups = [row.group for row in outcome.details.layer_groups or ()]
    # A phase that diverged has a last row without validation.
    rows = [row for row in rows if row.get("val/loss")]

    def column(name: str) -> np.ndarray:
        return np.array([float(row.get(name) or "nan") for row in rows])

    steps = column("step")
    return PhaseHistory(
        name=outcome.phase,
        settings=_settings(config, outcome),
        model=config.model.to_dict(),
        train_loss=column("train/loss"),
        train_metric=column(f"train/{metric}"),
        val_loss=column("val/loss"),
        val_metric=column(f"val/{metric}"),
        noise=column("train/loss_noise"),
        steps=np.diff(steps, prepend=2 * steps[0] - steps[1])
        if len(steps) > 1
        else steps,
        ratios={g: column(f"update_ratio/{g}") for g in groups},
        rates={g: column(f"learning_rate/{g}") for g in groups},
        stopped=outcome.stopped,
        **about,
    )


def _settings(config: ConfigDict, outcome: PhaseRecord) -> dict[str, Any]:
    """Returns a phase's section, with the epochs that were decided on."""
    settings = config.phases[outcome.phase].to_dict()
    return settings | {"epochs": outcome.details.epochs or settings["epochs"]}


def _dead_codes(directory: Path) -> float | None:
    """Returns the share of codes that are the same for every image."""
    path = directory / workdir.CODES
    if not path.exists():
        return None
    with workdir.reading(path), np.load(path) as stored:
        codes = stored["codes"].astype(np.float32)
    return float((codes.std(0) < FLAT).mean())
