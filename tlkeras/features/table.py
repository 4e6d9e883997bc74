"""CNN codes of a data set, as one table."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.data.dataset import Dataset
from tlkeras.errors import InputError
from tlkeras.features.frozen import FrozenPrefix

SUFFIXES = (".npz", ".parquet")
Transform = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class CodeTable:
    """Codes with what is known of their images.

    Attributes:
        codes: float32 [N, d], or [N, h, w, c].
        paths: [N].
        labels: [N], several joined by `|`.
        splits: [N] train, validation or test.
    """

    codes: np.ndarray
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]


def compute_code_table(
    dataset: Dataset,
    prefix: FrozenPrefix,
    *,
    transform: Transform = lambda codes: codes,
) -> CodeTable:
    """Computes the codes of all splits.

    Args:
        dataset: Any number of splits.
        prefix: The network at work. With an augmentation and K views, the
            codes of an image are the mean over its views (CNNaug, Razavian et
            al. 2014).
        transform: Of codes [n, ...], after the mean.
    """
    views = prefix.views
    (shape,) = prefix.layout.shapes
    total = sum(len(split) for split in dataset.splits.values())
    codes = np.empty((total, *shape), np.float32)
    start = 0
    for name, split in dataset.splits.items():
        rows = prefix.activations(
            split,
            views,
            what=f"codes of {name}",
        )
        for chosen in np.array_split(
            np.arange(len(split)), -(-len(split) // 256)
        ):
            copies = [
                rows.rows(chosen, np.full_like(chosen, view))[0]
                for view in range(views.count)
            ]
            codes[start : start + len(chosen)] = transform(
                np.stack(copies).mean(0)
            )
            start += len(chosen)
    return CodeTable(
        codes,
        tuple(p for s in dataset.splits.values() for p in s.paths),
        tuple(
            names
            for s in dataset.splits.values()
            for names in s.label_names(dataset.class_names)
        ),
        tuple(n for n, s in dataset.splits.items() for _ in range(len(s))),
    )


def is_folder(path: Path) -> bool:
    """Returns whether an output is a folder of codes, and no table."""
    return path.is_dir() or not path.suffix


def check_output(path: Path) -> None:
    """Refuses an output that could not be written, before any work.

    Args:
        path: Of a table, or of a folder.

    Raises:
        InputError: For an unknown suffix or a folder that cannot be written.
    """
    if is_folder(path):
        workdir.make_directory(path, what="folder of --output")
        return
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"--output='{path}' has no known format; expected a name that "
            f"ends in {' or '.join(SUFFIXES)}, or a folder."
        )
    workdir.make_directory(path.parent, what="folder of --output")


def write_code_table(table: CodeTable, path: Path) -> None:
    """Writes `.npz` (codes, paths, labels, splits) or `.parquet` (a row each).

    Parquet holds codes as one flat list a row.
    """
    with workdir.replacing(path) as temporary:
        if path.suffix == ".npz":
            np.savez(
                temporary,
                codes=table.codes,
                paths=np.array(table.paths),
                labels=np.array(table.labels),
                splits=np.array(table.splits),
            )
            return
        import pyarrow
        from pyarrow import parquet

        flat = table.codes.reshape(len(table.codes), -1)
        codes = pyarrow.FixedSizeListArray.from_arrays(
            pyarrow.array(flat.ravel()), flat.shape[1]
        )
        columns = {
            "path": [workdir.as_text(path) for path in table.paths],
            "label": table.labels,
            "split": table.splits,
            "codes": codes,
        }
        parquet.write_table(pyarrow.table(columns), temporary)
