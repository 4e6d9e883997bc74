"""The values that describe a data set: examples, splits, and the ledger."""

import dataclasses
import hashlib
import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from tlkeras.data.definition import CURRENT, ImageDefinition
from tlkeras.remote import RemoteStamp

SPLITS = ("train", "validation", "test")
HASHED_ROWS = 4096  # of targets, dense at a time


@dataclasses.dataclass(frozen=True, slots=True)
class Example:
    """One labelled image file.

    Attributes:
        path: Of the image file.
        labels: Names of its classes; more than one if multi-label.
        split: `train`, `validation` or `test` where the source says so.
        group: Of images that belong together, e.g. of one patient; "" = none.
        digest: Hash of the file's bytes, once scanned.
        look: Perceptual hash, 64 bits, once scanned; None without one.
        problem: Why the source passes it over; "" = it may be an image.
        copy: File to decode in its place: of a remote image, or PNG of one
            that TensorFlow cannot decode; "" = none needed.
        stamp: What the store of a remote image says of it, if anything.
    """

    path: str
    labels: tuple[str, ...]
    split: str | None = None
    group: str = ""
    digest: str = ""
    look: int | None = None
    problem: str = ""
    copy: str = ""
    stamp: RemoteStamp | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FileReport:
    """What a scan found out about one file.

    Attributes:
        digest: Hash of its bytes; "" where they were not read.
        problem: Why it cannot be used, or "".
        is_rotated: Whether its EXIF orientation is not upright.
        look: Perceptual hash, 64 bits; None without one.
        copy: File to decode in its place, where one is needed.
    """

    digest: str
    problem: str = ""
    is_rotated: bool = False
    look: int | None = None
    copy: str = ""


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """One file that is not used, and why."""

    path: str
    reason: str


@dataclasses.dataclass
class Ledger:
    """What was found, what was left out, and what was decided.

    Attributes:
        num_files: Files that the source named.
        left_out: Unreadable, empty, duplicate and conflicting files.
        moved: `(path, split)` of files moved so that no class lacks a split.
        num_with_orientation: Files whose EXIF orientation is not upright.
        straddling: Of `left_out`, copies of a file of another split.
        remembered: `(path, split)` of files that lie in another split than
            without the memory of earlier runs (`data/split_memory.py`).
        dropped_classes: Classes without a usable image.
        relabelled: `(path, labels before, label)` by the review file.
    """

    num_files: int = 0
    left_out: list[LeftOut] = dataclasses.field(default_factory=list)
    moved: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    num_with_orientation: int = 0
    straddling: list[str] = dataclasses.field(default_factory=list)
    remembered: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    dropped_classes: list[str] = dataclasses.field(default_factory=list)
    relabelled: list[tuple[str, str, str]] = dataclasses.field(
        default_factory=list
    )

    def as_dict(self) -> dict[str, object]:
        """Returns the ledger as plain values for JSON.

        `remembered`, `dropped_classes` and `relabelled` are there only where
        they say something.
        """
        values = dataclasses.asdict(self)
        for name in ("remembered", "dropped_classes", "relabelled"):
            if not values[name]:
                del values[name]
        return values

    def describe_memory(self) -> str:
        """Returns what the memory of earlier runs changed, or ""."""
        if not self.remembered:
            return ""
        files = ", ".join(
            f"{path} ({split})" for path, split in self.remembered
        )
        return (
            "moved by the memory of an earlier run, not by this data and seed: "
            f"{files}; --config.data.split_memory=False ignores it"
        )


@dataclasses.dataclass(frozen=True)
class Split:
    """The images of one split.

    Attributes:
        paths: [N] image files.
        labels: [N, C] float32: 1 for each class of an image, 0 elsewhere, as
            a sparse matrix, because a million images of a thousand classes
            would fill 5 GB; soft targets, and few of them, may be dense.
        digests: [N] hash of each file's bytes.
        hashes: [N] perceptual hashes, None for pictures without one; empty
            where the files were not scanned.
        definition: What the pixels of these files are, for whoever reads them.
        copies: path -> file to decode in its place.
        groups: [N] group of each image; empty where there are none.
    """

    paths: tuple[str, ...]
    labels: np.ndarray | sparse.csr_array
    digests: tuple[str, ...]
    hashes: tuple[int | None, ...] = ()
    definition: ImageDefinition = CURRENT
    copies: dict[str, str] = dataclasses.field(default_factory=dict)
    groups: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def targets(self) -> np.ndarray:
        """[N, C] float32, made anew: multi-hot, or soft where a teacher is."""
        return _dense(self.labels)

    def targets_of(self, rows: np.ndarray) -> np.ndarray:
        """Returns the targets of some images.

        Args:
            rows: int [n], each in 0 .. N - 1.

        Returns:
            float32 [n, C].
        """
        return _dense(self.labels[rows])

    def label_counts(self) -> np.ndarray:
        """Returns the sum of the targets of each class, float64 [C]."""
        return np.asarray(self.labels.sum(0, dtype=np.float64)).ravel()

    def label_names(self, class_names: Sequence[str]) -> list[str]:
        """Returns the names of each image's classes, [N], joined by `|`.

        Args:
            class_names: [C].
        """
        found = sparse.csr_array(self.labels)
        ends = found.indptr.tolist()
        names = [class_names[column] for column in found.indices.tolist()]
        return [
            "|".join(names[start:end])
            for start, end in itertools.pairwise(ends)
        ]

    @property
    def files(self) -> tuple[str, ...]:
        """[N] names for `contents.read_content`: images or copies of them."""
        return tuple(self.copies.get(path, path) for path in self.paths)

    def take(self, rows: np.ndarray) -> "Split":
        """Returns the images at some places, in that order.

        Args:
            rows: int [n], each in 0 .. N - 1.
        """
        chosen = np.asarray(rows).tolist()
        return Split(
            tuple(self.paths[row] for row in chosen),
            self.labels[chosen],
            tuple(self.digests[row] for row in chosen),
            tuple(self.hashes[row] for row in chosen if self.hashes),
            self.definition,
            self.copies,
            tuple(self.groups[row] for row in chosen if self.groups),
        )

    def shuffle(self, seed: int = 0) -> "Split":
        """Returns the images in an order drawn at random.

        Folders list them class by class.
        """
        return self.take(np.random.default_rng(seed).permutation(len(self)))

    def draw(self, max_images: int, seed: int) -> "Split":
        """Returns all images, or so many of them, drawn without replacement."""
        if len(self) <= max_images:
            return self
        rng = np.random.default_rng(seed)
        return self.take(
            np.sort(rng.choice(len(self), max_images, replace=False))
        )


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Labelled images in splits.

    Attributes:
        source: As the user named it.
        class_names: [C], sorted.
        multi_label: Whether an image may have several classes.
        splits: Split name -> `Split`; a split without images is absent.
        ledger: What was left out and why.
    """

    source: str
    class_names: tuple[str, ...]
    multi_label: bool
    splits: dict[str, Split]
    ledger: Ledger

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @property
    def definition(self) -> ImageDefinition:
        """What the pixels of its images are."""
        return next(iter(self.splits.values())).definition

    @property
    def fingerprint(self) -> str:
        """16 hex digits of which image is where, with which labels."""
        digest = hashlib.blake2b(digest_size=8)
        for name, split in self.splits.items():
            digest.update(f"{name}{split.digests}{self.class_names}".encode())
            for start in range(0, len(split), HASHED_ROWS):
                rows = _dense(split.labels[start : start + HASHED_ROWS])
                digest.update(rows.tobytes())
        return digest.hexdigest()

    def class_counts(self) -> dict[str, dict[str, int]]:
        """Returns split -> class -> number of images."""
        return {
            name: {
                label: int(count)
                for label, count in zip(
                    self.class_names, split.label_counts(), strict=True
                )
            }
            for name, split in self.splits.items()
        }


def make_split(
    examples: list[Example],
    class_names: tuple[str, ...],
    definition: ImageDefinition = CURRENT,
) -> Split:
    """Returns examples as a `Split` of C classes."""
    index = {name: i for i, name in enumerate(class_names)}
    columns = [sorted({index[name] for name in e.labels}) for e in examples]
    ends = np.cumsum([0, *map(len, columns)])
    chosen = np.array([c for row in columns for c in row], np.int32)
    ones = np.ones(len(chosen), np.float32)
    shape = (len(examples), len(class_names))
    return Split(
        paths=tuple(example.path for example in examples),
        labels=sparse.csr_array((ones, chosen, ends), shape),
        digests=tuple(example.digest for example in examples),
        hashes=tuple(example.look for example in examples),
        definition=definition,
        copies={e.path: e.copy for e in examples if e.copy},
        groups=tuple(e.group for e in examples if e.group),
    )


def _dense(labels: np.ndarray | sparse.csr_array) -> np.ndarray:
    return labels if isinstance(labels, np.ndarray) else labels.toarray()


def count_labels(examples: Sequence[Example]) -> Counter[str]:
    """Returns class name -> number of examples that carry it."""
    return Counter(label for e in examples for label in e.labels)
