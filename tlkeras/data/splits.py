"""Which image goes into which split, decided by the image's own bytes.

u = hash(seed, bytes) in [0, 1) decides, so that a file stays where it is when
others are added, and identical bytes never straddle a split. Of images that
belong together the name of their group decides, for all alike.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from pathlib import Path

from tlkeras import workdir
from tlkeras.data.dataset import SPLITS, Example, count_labels
from tlkeras.data.split_names import split_of
from tlkeras.errors import InputError, quote
from tlkeras.tables import suggest

# `assign_splits` with all but the files and what binds them given.
Assign = Callable[..., tuple[list[Example], list[Example]]]
SPLIT_COLUMNS = ["digest", "path", "split", "moved"]


def unit_interval(seed: int | str, digest: str) -> float:
    """Returns a number in [0, 1) that depends on the seed and the bytes only.

    Example:
    >>> unit_interval(0, "a") == unit_interval(0, "a")
    True
    """
    text = f"{seed}:{digest}".encode()
    integer = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest())
    # 53 bits are what a float64 holds exactly: all 64 could round to 1.
    return (integer >> 11) / 2**53


def unit_of(example: Example) -> str:
    """Returns what decides where an image lies: its bytes, or its group."""
    return f"group:{example.group}" if example.group else example.digest


def boundaries(fractions: Sequence[float]) -> dict[str, tuple[float, float]]:
    """Returns split -> [low, high) on the unit interval, for positive shares.

    Example:
    >>> boundaries((0.5, 0.25, 0.25))["validation"]
    (0.5, 0.75)
    """
    ends = [sum(fractions[: i + 1]) for i in range(3)]
    ends[-1] = 1.0
    starts = [0.0, *ends[:-1]]
    return {
        name: (start, end)
        for name, start, end, share in zip(
            SPLITS, starts, ends, fractions, strict=True
        )
        if share > 0
    }


def assign_splits(
    examples: Sequence[Example],
    *,
    stated: Set[str | None],
    decided: Set[str],
    fractions: Sequence[float],
    seed: int,
    moved_before: dict[str, str],
) -> tuple[list[Example], list[Example]]:
    """Gives every example without a split its split.

    Where the source has only some splits, the examples of its train split are
    divided for the missing ones: a source with train/ and test/ gets its
    validation images out of train/.

    Args:
        examples: With digests; those that have a split keep it, train aside
            where the source has no validation or test split.
        stated: Splits that the source itself names.
        decided: Digests of examples that a split file has placed.
        fractions: Shares of train, validation and test; sum 1.
        seed: Another seed gives another division.
        moved_before: digest -> split of files moved by earlier runs.

    Returns:
        All examples with splits, and those that were moved so that every
        class has an image in every split.
    """
    fixed: list[Example] = []
    open_: list[Example] = []
    for example in examples:
        is_fixed = example.split in ("validation", "test")
        is_fixed |= example.digest in decided
        (fixed if is_fixed else open_).append(example)
    fractions = [
        0.0 if name != "train" and name in stated else share
        for name, share in zip(SPLITS, fractions, strict=True)
    ]
    if stated & set(SPLITS) and "test" not in stated:
        # A source that states its splits and has no test split stays so.
        fractions[2] = 0.0
    total = sum(fractions)
    bounds = boundaries([share / total for share in fractions])
    before = {
        unit_of(example): moved_before[example.digest]
        for example in open_
        if example.digest in moved_before
    }
    settled = {e.group: e.split or "" for e in fixed if e.group}
    placed, moved = [], []
    for example in open_:
        unit = unit_of(example)
        u = unit_interval(seed, unit)
        split = next(n for n, (low, high) in bounds.items() if low <= u < high)
        if example.split is None and example.group in settled:
            split = settled[example.group]
        if unit in before:
            split = before[unit]
            moved.append(replace(example, split=split))
        placed.append(replace(example, split=split))
    rescued = _rescue(placed, fixed, bounds, seed)
    by_path = {example.path: example for example in rescued}
    placed = [by_path.get(example.path, example) for example in placed]
    return fixed + placed, moved + rescued


def _rescue(
    examples: list[Example],
    fixed: list[Example],
    bounds: dict[str, tuple[float, float]],
    seed: int,
) -> list[Example]:
    """Moves, for a class without an image in a split, the nearest unit there.

    A unit is an image, or a group of images that belong together.
    """
    present = {(label, e.split) for e in fixed for label in e.labels}
    members = defaultdict(list)
    for example in examples:
        members[unit_of(example)].append(example)
    where = {unit: those[0].split or "" for unit, those in members.items()}
    moved: dict[str, None] = {}  # in order, also what was moved back later
    labels = {
        unit: dict.fromkeys(label for e in those for label in e.labels)
        for unit, those in members.items()
    }
    by_class = defaultdict(list)
    counts: Counter[tuple[str, str]] = Counter()  # of units
    for unit, split in where.items():
        for label in labels[unit]:
            by_class[label].append(unit)
            counts[label, split] += 1

    def is_spare(unit: str, name: str) -> bool:
        """Whether others of its classes stay behind."""
        is_group = bool(members[unit][0].group)
        return all(
            counts[label, where[unit]] > 1
            for label in (labels[unit] if is_group else (name,))
        )

    for name, units in by_class.items():
        # In this order a class of few images gets them: train, then judge.
        for split in ("train", "validation", "test"):
            if split not in bounds or (name, split) in present:
                continue
            if counts[name, split]:
                continue
            low, high = bounds[split]

            def distance(
                unit: str, low: float = low, high: float = high
            ) -> float:
                u = unit_interval(seed, unit)
                return max(low - u, u - high)

            donors = [unit for unit in units if is_spare(unit, name)]
            if donors:
                nearest = min(donors, key=distance)
                counts.subtract((x, where[nearest]) for x in labels[nearest])
                counts.update((x, split) for x in labels[nearest])
                where[nearest] = split
                moved[nearest] = None
    return [
        replace(example, split=where[unit])
        for unit in moved
        for example in members[unit]
    ]


def take_few(
    examples: Sequence[Example], *, images_per_class: int, seed: int
) -> list[Example]:
    """Keeps at most so many training images of each class, others untouched."""
    order = sorted(
        (e for e in examples if e.split == "train"),
        key=lambda e: unit_interval(f"few-{seed}", e.digest),
    )
    counts: dict[str, int] = defaultdict(int)
    kept = set()
    for example in order:
        if any(counts[label] < images_per_class for label in example.labels):
            kept.add(example.path)
            for label in example.labels:
                counts[label] += 1
    return [e for e in examples if e.split != "train" or e.path in kept]


def require_trainable(examples: Sequence[Example], source: str) -> None:
    """Makes sure that there are two classes, each with images to train on.

    Raises:
        InputError: If there is one class only, or a class has one image, no
            training image, or there is no validation image at all.
    """
    totals = count_labels(examples)
    if not totals:
        raise InputError(
            f"Of '{source}' no image is left: all are damaged, or the same "
            "bytes under several labels; expected images that differ between "
            "classes: remove the copies, or, in a manifest, write the labels "
            "of one image as a|b."
        )
    if len(totals) < 2:
        raise InputError(
            f"'{source}' has one class only, '{next(iter(totals))}'; expected "
            "at least two: add a folder (or label) for each further class."
        )
    train = count_labels([e for e in examples if e.split == "train"])
    missing = sorted(set(totals) - set(train))
    if missing:
        raise InputError(
            f"The class '{missing[0]}' of '{source}' has no training image;"
            f"{suggest(missing[0], train)} expected at least one: add images "
            "to its train split, or give it one name in all splits."
        )
    single = sorted(label for label, count in totals.items() if count < 2)
    if single:
        raise InputError(
            f"The class '{single[0]}' of '{source}' has one usable image; "
            "expected at least two, one to train and one to validate: add "
            "images or remove the class."
        )
    if not any(e.split == "validation" for e in examples):
        raise InputError(
            f"'{source}' has no validation image; expected a validation split "
            "or data.split with a positive second share: change "
            "--config.data.split."
        )


def digest_text(text: str) -> str:
    """Returns 12 hex digits for a text, for file names."""
    return hashlib.blake2b(os.fsencode(text), digest_size=6).hexdigest()


def read_split_file(path: Path, *, moved_only: bool) -> dict[str, str]:
    """Reads a `split.csv` as digest -> split.

    Raises:
        InputError: If the file lacks the columns of `SPLIT_COLUMNS`, or names
            an unknown split.
    """
    rows = workdir.read_table(path)
    if rows and not {"digest", "split", "moved"} <= set(rows[0]):
        raise InputError(
            f"'{path}' is no split file; expected the columns "
            f"{','.join(SPLIT_COLUMNS)}: take the split.csv of a run."
        )
    decided: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):  # after the header
        split = split_of(row["split"] or "")
        if split is None:
            raise InputError(
                f"Row {number} of '{path}' has the split "
                f"'{quote(row['split'])}'; expected train, validation or test: "
                "correct it."
            )
        if row["moved"] == "1" or not moved_only:
            before = decided.setdefault(row["digest"], split)
            if before != split:
                raise InputError(
                    f"Row {number} of '{path}' has the split {split} for an "
                    f"image that was in {before}; expected one row an image: "
                    "remove the wrong one."
                )
    return decided


def follow_split_file(
    found: list[Example], split_file: Path, assign: Assign
) -> tuple[list[Example], list[Example]]:
    """Divides as a split file says; images that it lacks as without it.

    Args:
        found: With digests.
        split_file: The `split.csv` of a run.
        assign: Divides those that the file lacks.

    Returns:
        All examples, and those moved.

    Raises:
        InputError: If it does not exist, is none, or is about other images.
    """
    if not split_file.is_file():
        raise InputError(
            f"The split file '{split_file}' does not exist; expected the "
            "split.csv of a run: check --config.data.split_file."
        )
    decided = read_split_file(split_file, moved_only=False)
    if not decided:
        raise InputError(
            f"The split file '{split_file}' has no rows; expected the "
            "split.csv of a run: check --config.data.split_file."
        )
    if not any(example.digest in decided for example in found):
        raise InputError(
            f"The split file '{split_file}' names none of the images that "
            "there are, by the hash of their bytes; expected the split.csv of "
            "a run on the same images: check --config.data.split_file."
        )
    placed = [replace(e, split=decided.get(e.digest, e.split)) for e in found]
    return assign(placed, decided=decided.keys())
