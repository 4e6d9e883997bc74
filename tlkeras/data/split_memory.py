"""What earlier runs on a source moved between splits, kept for later ones.

A class without an image in a split gets the nearest one of its images there
(`splits.assign_splits`). Which one that is depends on the files that there are;
so that it stays where it is when others are added, it is remembered below the
cache folder. Another machine does not remember: `data.split_memory=False` gives
the split that data and seed alone decide.
"""

from collections.abc import Sequence
from pathlib import Path

from tlkeras import workdir
from tlkeras.console import warn
from tlkeras.data.dataset import Example
from tlkeras.data.shared_folder import source_file
from tlkeras.data.splits import SPLIT_COLUMNS, read_split_file
from tlkeras.errors import InputError


def memory_path(source: str, seed: int, fractions: Sequence[float]) -> Path:
    """Returns where the moves of a source folder are kept between runs.

    Args:
        source: As the user wrote it.
        seed: Of the division.
        fractions: Shares of train, validation and test.
    """
    return source_file("splits", source, f"{seed}:{tuple(fractions)}", ".csv")


def recall_moves(memory: Path) -> dict[str, str]:
    """Returns digest -> split of the files that earlier runs moved.

    Empty where they cannot be read: then data and seed alone decide.
    """
    try:
        return read_split_file(memory, moved_only=True)
    except (OSError, InputError) as error:
        warn(f"The memory of earlier splits is left out: {error}")
        return {}


def remember_moves(memory: Path, moved: Sequence[Example]) -> None:
    """Adds moves to those that earlier runs made for the same source.

    It is a convenience: where it cannot be written, a line says so.
    """
    known = recall_moves(memory)
    known.update((e.digest, e.split or "") for e in moved)
    rows = (
        {"digest": digest, "split": split, "moved": 1}
        for digest, split in known.items()
    )
    try:
        workdir.make_directory(memory.parent, what="cache folder")
        workdir.remove_leftovers(memory.parent, idle_seconds=workdir.DAY)
        workdir.write_table(memory, SPLIT_COLUMNS, rows)
    except (OSError, InputError) as error:
        warn(f"The split is not remembered for later runs: {error}")


def find_changed(
    placed: Sequence[Example], alone: Sequence[Example]
) -> list[tuple[str, str]]:
    """Returns the `(path, split)` that a memory changed.

    Args:
        placed: With the memory.
        alone: The same files in the same order, as they are placed without it.
    """
    return [
        (one.path, one.split or "")
        for one, other in zip(placed, alone, strict=True)
        if one.split != other.split
    ]
