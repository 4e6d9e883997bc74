"""A run of several networks that differ in their seed and answer as one.

Each network is a run of its own in `members/`, trained and resumed like any
other, on the same images; all find what is frozen of plain images in the cache.
Then the upper parts of all are put over the one lower part that they share.
"""

import dataclasses
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.errors import InputError
from tlkeras.evaluation.records import RunResult, SplitScore, read_result
from tlkeras.training.build import set_up_model
from tlkeras.training.calibrate import Calibrated
from tlkeras.training.context import RunContext
from tlkeras.training.ensemble_gain import write_gain
from tlkeras.training.member_models import join_members
from tlkeras.training.outcome import calibrate_and_evaluate, save_model
from tlkeras.training.start import GivenData, build_run, load_data

# Of the first member; they tell of the recipe, which all members share.
_TAKEN_OVER = (workdir.HISTORY, workdir.CHECKS)
TrainMember = Callable[..., dict[str, Any]]


def train_ensemble(
    config: ConfigDict,
    directory: Path,
    console: Console,
    dataset: GivenData,
    train: TrainMember,
) -> dict[str, Any]:
    """Trains the members that are left, and makes one classifier of all.

    Args:
        config: Of the ensemble.
        directory: Of the ensemble, this process' own.
        console: For people.
        dataset: In place of what the config's source holds.
        train: `trainer.train_and_evaluate`, for a member.

    Returns:
        What `result.json` holds.

    Raises:
        InputError: If a phase trains the whole network, so that nothing is
            shared, or a finished member was trained on other data.
    """
    policy = set_up_model(config)
    data = load_data(config, directory, console, dataset)
    run = build_run(config, directory, data, policy, console)
    _require_shared_part(run)
    places = _train_members(run, train)
    trained = time.perf_counter()
    results = [read_result(place) for place in places]
    run, cost = join_members(run, places, results)
    _take_over(places[0], directory)
    scores, calibrated = calibrate_and_evaluate(run, None)
    save_model(run)
    write_gain(run, places, results, cost)
    seconds = time.perf_counter() - trained
    return _write_result(run, results, scores, calibrated, seconds)


def _train_members(run: RunContext, train: TrainMember) -> list[Path]:
    """Trains the members that are left; returns the directories of all.

    Raises:
        InputError: If one was trained on other data.
    """
    config, places = run.config, []
    for number in range(config.ensemble):
        place = run.directory / workdir.MEMBERS / str(number)
        member = _member_config(config, number)
        run.console.line(
            f"network {number + 1} of {config.ensemble}, seed {member.seed}"
        )
        train(member, place, console=run.console, dataset=run.dataset)
        split, own = (
            folder / workdir.SPLIT for folder in (place, run.directory)
        )
        if split.read_bytes() != own.read_bytes():
            raise InputError(
                f"The network in '{place}' was trained on other images, or "
                f"another split, than '{config.data.source}' has now; expected "
                "the same: restore the data, or choose another --workdir."
            )
        places.append(place)
    return places


def _take_over(place: Path, directory: Path) -> None:
    """Copies what tells of the recipe; what a preflight found stays."""
    for name in _TAKEN_OVER:
        if (place / name).exists() and not (directory / name).exists():
            with workdir.replacing(directory / name) as temporary:
                shutil.copyfile(place / name, temporary)


def _require_shared_part(run: RunContext) -> None:
    for phase in run.phases:
        if phase.epochs and not phase.cutoff:
            raise InputError(
                f"ensemble={run.config.ensemble} shares what no phase trains, "
                f"and {phase.name} trains the whole network; expected a frozen "
                "part: set --config.phases."
                f"{phase.name}.trainable_from=stage2, or train single runs."
            )


def _member_config(config: ConfigDict, number: int) -> ConfigDict:
    """Returns the config of one network, which looks at no test split."""
    member = config.copy_and_resolve_references()
    member.ensemble = 1
    member.seed = config.seed + number
    member.evaluation.test_at_end = False
    return member


def _write_result(
    run: RunContext,
    results: Sequence[RunResult],
    scores: dict[str, SplitScore],
    calibrated: Calibrated,
    seconds: float,
) -> dict[str, Any]:
    """Writes `result.json`, the last file; its phases are the first member's.

    Args:
        run: With the ensemble.
        results: Of the members.
        scores: Of the ensemble.
        calibrated: Likewise.
        seconds: Since the last member was trained.
    """
    first = results[0]
    own = {"features": 0.0, "total": seconds}
    result = dataclasses.replace(
        first,
        num_parameters=run.classifier.model.count_params(),
        trainable_parameters=sum(r.trainable_parameters for r in results),
        scores=scores,
        seconds={
            name: round(sum(r.seconds[name] for r in results) + more, 3)
            for name, more in own.items()
        },
        calibration=calibrated.calibration,
    )
    workdir.write_json(run.directory / workdir.RESULT, result.as_dict())
    return result.as_dict()
