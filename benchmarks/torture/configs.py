"""Hostile and borderline values in the fields of the config.

A config is refused in one short sentence, or goes through all that a run does
with it before it reads an image.
"""

import contextlib
import io
import json
import shutil
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from ml_collections import ConfigDict

from benchmarks.torture.tally import Tally
from benchmarks.torture.values import draw_value
from tlkeras import workdir
from tlkeras.cli import parsing, train
from tlkeras.config import get_config, validate
from tlkeras.config.dotted import differences, set_value, walk
from tlkeras.config.fields import row_of
from tlkeras.config.hashing import config_hash, default_workdir
from tlkeras.config.run_directory import open_run_directory, read_config
from tlkeras.errors import InputError, quote
from tlkeras.evaluation.records import RunResult, SplitScore, read_result
from tlkeras.exporters.settings import ExportSettings
from tlkeras.optim.optimizers import build_optimizer
from tlkeras.training.phases import group_rate, group_spec, read_phases
from tlkeras.tuning.plan import make_plan

LONGEST_MESSAGE = 1000  # characters
PAIRS = 0.3  # share of configs with two fields changed, not one
# What one config in so many is also tried with, because it is slow.
EVERY = {"disk": 20, "plan": 5, "optimizer": 100, "flags": 50, "file": 4}
NAMES = [name for name, _ in walk(get_config())]


def run(seed: int, count: int, folder: Path) -> Tally:
    """Tries that many values.

    Args:
        seed: Of the draws; value K of a seed is always the same.
        count: Values of fields.
        folder: For run directories; emptied first.
    """
    tally = Tally("configs")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    number = 0
    while tally.counts["values"] < count:
        generator = np.random.default_rng((seed, number))
        changes = draw_changes(generator)
        tally.count("values", len(changes))
        label = f"seed {seed}, config {number}: {quote(changes, 500)!r}"
        try_changes(tally, label, changes, number, folder)
        number += 1
    return tally


def draw_changes(generator: np.random.Generator) -> dict[str, Any]:
    """Returns field -> value, of one field or of two."""
    chosen = generator.choice(
        len(NAMES), 1 + (generator.random() < PAIRS), replace=False
    )
    names = [NAMES[index] for index in chosen]
    return {name: draw_value(generator, row_of(name)) for name in names}


def try_changes(
    tally: Tally,
    label: str,
    changes: dict[str, Any],
    number: int,
    folder: Path,
) -> None:
    """Tries one config in every way that its number is due for."""
    if number % EVERY["flags"] == 0:
        with judged(tally, label, "flags"):
            _try_flags(changes)
    if number % EVERY["file"] == 0:
        with judged(tally, label, "damaged file"):
            _try_files(changes, folder)
    config = get_config()
    try:
        for name, value in changes.items():
            set_value(config, name, value)
    except (TypeError, ValueError, OverflowError):
        tally.count("refused by its type")
        return
    with judged(tally, label, "validate"):
        validate(config)
        for name, (use, every) in USES.items():
            if number % every == 0:
                with judged(tally, label, name):
                    use(config, folder)


@contextlib.contextmanager
def judged(tally: Tally, label: str, what: str) -> Iterator[None]:
    """Counts how something ended; only an `InputError` may be raised."""
    try:
        yield
        tally.count(f"{what}: accepted")
    except InputError as error:
        tally.count(f"{what}: refused")
        message = str(error)
        if len(message) > LONGEST_MESSAGE:
            tally.find(f"{label}: {what}: message {quote(message, 1500)!r}")
    except Exception:
        tally.find(f"{label}: {what}: {traceback.format_exc(limit=-4)}")


def _use_names(config: ConfigDict, folder: Path) -> None:
    config_hash(config)
    default_workdir(config)


def _use_phases(config: ConfigDict, folder: Path) -> None:
    for phase in read_phases(config.phases, 100):
        if phase.learning_rate != "auto":
            for name in phase.groups:
                group_rate(phase, name)
                group_spec(phase, name, 1e-3, phase.steps_per_epoch(100))


def _use_optimizers(config: ConfigDict, folder: Path) -> None:
    for phase in read_phases(config.phases, 100):
        spec = group_spec(phase, "head", 1e-3, phase.steps_per_epoch(100))
        build_optimizer(spec, name="head", variables=[])
        if callable(spec.learning_rate):
            for step in (0, 1, 10**6):
                if not np.isfinite(float(spec.learning_rate(step))):
                    raise ArithmeticError(f"rate at step {step}")


def _use_plan(config: ConfigDict, folder: Path) -> None:
    make_plan(config, {})


def _use_export(config: ConfigDict, folder: Path) -> None:
    ExportSettings(
        formats=tuple(config.export.formats),
        max_drop=config.export.max_drop,
        num_calibration_images=config.export.num_calibration_images,
    )


def _use_disk(config: ConfigDict, folder: Path) -> None:
    """Writes the config of a run and reads it back."""
    directory = folder / "run"
    shutil.rmtree(directory, ignore_errors=True)
    open_run_directory(directory, config)
    back = read_config(directory)
    if found := list(differences(config, back)):
        raise ArithmeticError(f"not read back: {found}")
    if config_hash(back) != config_hash(config):
        raise ArithmeticError("another hash is read back")


Use = Callable[[ConfigDict, Path], None]
# What a run does with a config -> how, and with one config in how many.
USES: dict[str, tuple[Use, int]] = {
    "names": (_use_names, 1),
    "phases": (_use_phases, 1),
    "export": (_use_export, 1),
    "plan": (_use_plan, EVERY["plan"]),
    "optimizers": (_use_optimizers, EVERY["optimizer"]),
    "disk": (_use_disk, EVERY["disk"]),
}


def _try_flags(changes: dict[str, Any]) -> None:
    """Passes values as the command line does; exit code 2 and one line."""
    known = set(flags.FLAGS)
    errors = io.StringIO()
    arguments = [f"--config.{n}={_as_text(v)}" for n, v in changes.items()]
    try:
        with contextlib.redirect_stderr(errors):
            parsing.parse_flags(["tlkeras train", *arguments], train)
        validate(parsing.resolve_config())
    except SystemExit as end:
        lines = errors.getvalue().splitlines()
        if end.code != 2 or len(lines) != 1:
            raise ArithmeticError(f"exit {end.code}: {lines}") from None
        raise InputError(lines[0]) from None
    finally:
        for name in set(flags.FLAGS) - known:
            delattr(flags.FLAGS, name)
        flags.FLAGS.unparse_flags()


def _as_text(value: Any) -> str:
    try:
        return str(value)[:99]
    except ValueError:  # Python writes no number of more than 4300 digits
        return "9" * 99


def _try_files(changes: dict[str, Any], folder: Path) -> None:
    """Reads a config.json and a result.json into which somebody wrote."""
    stored = json.loads(get_config().to_json_best_effort())
    result = RunResult(("a", "b"), scores={"val": SplitScore(0.5)}).as_dict()
    for number, (name, value) in enumerate(changes.items()):
        set_value(stored, name, value)
        result[list(result)[hash(name) % len(result)]] = value
        if number:
            stored[name.split(".")[0]] = value
    stored |= {"format_version": 1, "config_hash": "0"}
    for name, values, read in (
        (workdir.CONFIG, stored, read_config),
        (workdir.RESULT, result, read_result),
    ):
        with contextlib.suppress(ValueError, TypeError):  # no JSON
            text = json.dumps(values, default=str)
            (folder / name).write_text(text, "utf-8", "replace")
            read(folder)
