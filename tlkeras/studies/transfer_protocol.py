"""What one study of transferability compares, and that it stays one study."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.config.hashing import config_hash
from tlkeras.data.dataset import Dataset
from tlkeras.errors import InputError
from tlkeras.studies.class_halves import (
    Half,
    draw_halves,
    make_halves,
    read_split_file,
    require_images,
)
from tlkeras.studies.transfer_training import StudySettings

DEFAULT_SPLITS = 2  # each is two pairs, one a direction
DEFAULT_SEEDS = 4  # where the source is what is pretrained


@dataclasses.dataclass(frozen=True)
class StudyOptions:
    """What is compared.

    Attributes:
        num_splits: Divisions of the classes, or seeds where the source is
            given; None = `DEFAULT_SPLITS` or `DEFAULT_SEEDS`.
        cuts: Last layers of lower parts; () = ends of stages and a middle.
        quick: Frozen kinds only.
        source: Weights or run that A is; "" = the other half of the classes.
        split_file: CSV `class,half` of two named halves; "" = drawn.
    """

    num_splits: int | None = None
    cuts: Sequence[str] = ()
    quick: bool = False
    source: str = ""
    split_file: str = ""


def choose_halves(
    dataset: Dataset, options: StudyOptions, seed: int
) -> list[Half]:
    """Returns the targets: each half of each division, or all classes.

    Args:
        dataset: Whose classes are divided.
        options: Of the study.
        seed: Of the first division.

    Raises:
        InputError: For unusable classes or an unusable split file.
    """
    halves = _halves(dataset, options, seed)
    require_images(dataset, halves)
    return halves


def _halves(dataset: Dataset, options: StudyOptions, seed: int) -> list[Half]:
    default = DEFAULT_SEEDS if options.source else DEFAULT_SPLITS
    seeds = range(seed, seed + (options.num_splits or default))
    names = dataset.class_names
    if options.source:
        return [Half(number, "all", names, "") for number in seeds]
    if options.split_file:
        members = read_split_file(Path(options.split_file), names)
        return [half for s in seeds for half in make_halves(s, members)]
    return [half for s in seeds for half in draw_halves(names, s)]


def require_random(config: ConfigDict, options: StudyOptions) -> None:
    """Makes sure that what is pretrained comes as the source alone.

    Raises:
        InputError: If not.
    """
    if config.model.weights != "none":
        raise InputError(
            f"model.weights='{config.model.weights}' would give the bases what "
            "others have learnt; expected none, since they train from scratch: "
            "leave it out, and pass what is pretrained as --source."
        )
    if options.source and options.split_file:
        raise InputError(
            "--source and --split_file both say what A is; expected one of "
            "them: leave out the other."
        )
    if options.source == "none":
        raise InputError(
            "--source=none names no weights; expected imagenet, letters, a "
            "weights file or a run: leave it out to compare halves."
        )


def make_protocol(
    config: ConfigDict,
    dataset: Dataset,
    halves: Sequence[Half],
    options: StudyOptions,
    settings: StudySettings,
) -> dict[str, Any]:
    """Returns what all networks of a work directory have in common."""
    config = config.copy_and_resolve_references()
    config.model.weights = options.source or "none"
    named = halves[:2] if options.split_file else ()
    return {
        "data": config.data.source,
        "pretrained": config.model.weights,
        "config_hash": config_hash(config),
        "data_fingerprint": dataset.fingerprint,
        "named_halves": {half.name: list(half.classes) for half in named},
        "training": dataclasses.asdict(settings),
    }


def keep_protocol(path: Path, protocol: dict[str, Any]) -> None:
    """Writes the protocol, or makes sure that it is the one that is there.

    Raises:
        InputError: If it is another one.
    """
    if not path.exists():
        workdir.write_json(path, protocol)
    stored = workdir.read_json(path)
    for name, value in protocol.items():
        if stored.get(name) != value:
            raise InputError(
                f"The work directory '{path.parent}' belongs to a study with "
                f"another {name.replace('_', ' ')} ({stored.get(name)!r}, not "
                f"{value!r}); expected the same: choose another --workdir."
            )
