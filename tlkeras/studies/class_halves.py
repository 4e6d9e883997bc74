"""The classes of a data set as two halves: one to learn from, one to transfer.

Yosinski et al. 2014, section 2: A and B are disjoint halves of the classes,
drawn at random, or two groups with names, such as man-made and natural ones.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.data.dataset import Dataset, Split
from tlkeras.errors import InputError
from tlkeras.tables import suggest

MIN_CLASSES = 8
MIN_IMAGES = 2  # for training, of a class
SPLIT_FILE_COLUMNS = ("class", "half")


@dataclasses.dataclass(frozen=True)
class Half:
    """The target of one transfer.

    Attributes:
        seed: Of the division, of initial weights and of the order of images;
            shared by all networks that are compared.
        name: `a`, `b`, one of the split file, or `all` where the source is
            what is pretrained.
        classes: Names, sorted.
        other: Name of the half that is transferred from; "" = pretrained.
    """

    seed: int
    name: str
    classes: tuple[str, ...]
    other: str


def draw_halves(class_names: Sequence[str], seed: int) -> tuple[Half, Half]:
    """Divides classes at random into halves of equal size.

    Args:
        class_names: [C]; of an odd number one is left out.
        seed: Of the division.

    Raises:
        InputError: For fewer than `MIN_CLASSES`.
    """
    if len(class_names) < MIN_CLASSES:
        raise InputError(
            f"The data have {len(class_names)} classes; expected at least "
            f"{MIN_CLASSES}, to halve them: choose another --data."
        )
    size = len(class_names) // 2
    order = np.random.default_rng(seed).permutation(sorted(class_names))
    first, second = order[:size].tolist(), order[size : 2 * size].tolist()
    return make_halves(seed, {"a": first, "b": second})


def make_halves(
    seed: int, members: dict[str, Sequence[str]]
) -> tuple[Half, Half]:
    """Returns two groups of classes as the targets of each other."""
    (one, first), (two, second) = members.items()
    return (
        Half(seed, one, tuple(sorted(first)), two),
        Half(seed, two, tuple(sorted(second)), one),
    )


def read_split_file(
    path: Path, class_names: Sequence[str]
) -> dict[str, Sequence[str]]:
    """Reads two named groups of classes; classes not in it are left out.

    Args:
        path: CSV with the columns `class` and `half`.
        class_names: [C] of the data.

    Returns:
        Name of each half -> its classes.

    Raises:
        InputError: If it does not say two groups of known classes that are
            disjoint, or the same, which is a control.
    """
    if not path.is_file():
        raise InputError(
            f"The split file '{path}' does not exist; expected a CSV with the "
            "columns class,half: check --split_file."
        )
    members: dict[str, Sequence[str]] = {}
    for row in workdir.read_table(path):
        name, half = (row.get(column) for column in SPLIT_FILE_COLUMNS)
        if not name or not half or half != Path(half).name:
            raise InputError(
                f"The split file '{path}' has a row without a class, or "
                "without a half that can name a file; expected the columns "
                "class,half: correct it."
            )
        if name not in class_names:
            raise InputError(
                f"The split file '{path}' names the class '{name}', which the "
                f"data do not have.{suggest(name, class_names)} Expected "
                "classes of the data: correct it."
            )
        members[half] = sorted({*members.get(half, ()), name})
    sizes = [len(classes) for classes in members.values()]
    if len(members) != 2 or min(sizes) < MIN_CLASSES // 2:
        found = ", ".join(f"{k} ({len(v)})" for k, v in members.items())
        raise InputError(
            f"The split file '{path}' has the halves {found or 'of no class'}; "
            f"expected two of at least {MIN_CLASSES // 2} classes: correct it."
        )
    first, second = members.values()
    common = sorted(set(first) & set(second))
    if common and first != second:
        raise InputError(
            f"The split file '{path}' has the class '{common[0]}' in both "
            "halves; expected halves without a common class, or the same "
            "classes twice as a control: correct it."
        )
    return members


def take_half(split: Split, dataset: Dataset, half: Half, width: int) -> Split:
    """Returns the images of a half's classes, labelled among them.

    Args:
        split: One of the data set's.
        dataset: With one label an image.
        half: Its n classes.
        width: Columns of the targets, at least n; those behind stay zero.
    """
    columns = [dataset.class_names.index(name) for name in half.classes]
    own = split.targets[:, columns]
    rows = np.flatnonzero(own.sum(1))
    padded = np.pad(own[rows], ((0, 0), (0, width - len(columns))))
    return dataclasses.replace(split.take(rows), labels=padded)


def require_images(dataset: Dataset, halves: Sequence[Half]) -> None:
    """Makes sure that every class can be trained and measured.

    Raises:
        InputError: If images carry several labels, or a class has too few.
    """
    if dataset.multi_label:
        raise InputError(
            f"'{dataset.source}' gives some images several labels; expected "
            "one each, so that classes can be halved: choose another --data."
        )
    counts = dataset.class_counts()
    for name in {name for half in halves for name in half.classes}:
        train = counts["train"][name]
        held_out = counts.get("validation", {}).get(name, 0)
        if train < MIN_IMAGES or held_out < 1:
            raise InputError(
                f"The class '{name}' has {train} training and {held_out} "
                f"validation images; expected at least {MIN_IMAGES} and 1 of "
                "each class and half: add images or leave the class out with "
                "--split_file."
            )
