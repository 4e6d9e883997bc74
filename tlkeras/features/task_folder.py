"""What the tasks of a store have done so far, on a disk that all workers see.

    staged/NAME.npz   rows of a task, their keys, and its bad images
    attempts/NAME     one byte for each process that is, or died, at the task
    bad.json          images that have no row, and why
    bundles/HASH/     what workers compute with

A task ends with one conditional create of its staged file, which holds all of
it: of two workers at the same task the first wins, and a worker that dies
leaves nothing that counts. The driver, which alone holds the store's lock,
files staged rows into the store.
"""

import contextlib
import dataclasses
import errno
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.features.tasks import BadImage, ShardRecord

# Of a disk without hard links; the last of two equal files stays there.
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
DAMAGED = (zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError)


@dataclasses.dataclass(frozen=True)
class TaskFolder:
    """The folder of one store's tasks.

    Attributes:
        directory: Created by `create`.
    """

    directory: Path

    @property
    def bundles(self) -> Path:
        """Folder of bundles."""
        return self.directory / "bundles"

    @property
    def ledger(self) -> Path:
        """File of bad images."""
        return self.directory / "bad.json"

    @property
    def log(self) -> Path:
        """What workers say, for whoever looks for a fault."""
        return self.directory / workdir.LOG

    def _staged(self, name: str) -> Path:
        return self.directory / "staged" / f"{name}.npz"

    def _attempts(self, name: str) -> Path:
        return self.directory / "attempts" / name

    def create(self) -> None:
        """Makes the folders, and removes what was left over for a day.

        Raises:
            InputError: If nothing can be written there.
        """
        for name in ("staged", "attempts", "bundles"):
            folder = self.directory / name
            workdir.make_directory(folder, what="folder of tasks")
            workdir.remove_leftovers(folder, idle_seconds=workdir.DAY)

    @contextlib.contextmanager
    def attempt(self, name: str) -> Iterator[int]:
        """Marks a task while it is worked at, for whoever comes after a death.

        Args:
            name: Of the task.

        Yields:
            Which attempt this is: 1, and one more for each process that died.
        """
        path = self._attempts(name)
        with open(path, "ab") as file:
            file.write(b".")
            file.flush()
            number = file.tell()
        try:
            yield number
        finally:
            path.unlink(missing_ok=True)

    def commit(self, record: ShardRecord, rows: np.ndarray) -> ShardRecord:
        """Ends a task.

        Args:
            record: Of it.
            rows: [n, values] in the storage dtype.

        Returns:
            The record that counts: of whoever was first.
        """
        path = self._staged(record.name)
        with _creating(path) as temporary:
            text = np.frombuffer(record.encode().encode(), np.uint8)
            np.savez(temporary, rows=rows, record=text)
        return self.find(record.name) or record

    def find(self, name: str) -> ShardRecord | None:
        """Returns the record of a task that is done; None if it is not."""
        found = self._load(name, "record")
        if found is None:
            return None
        return ShardRecord.decode(found.tobytes().decode())

    def read_rows(self, name: str) -> np.ndarray | None:
        """Returns rows [n, values] of a task; None if they are damaged."""
        return self._load(name, "rows")

    def _load(self, name: str, member: str) -> np.ndarray | None:
        path = self._staged(name)
        try:
            with open(path, "rb") as file, np.load(file) as arrays:
                return arrays[member]
        except FileNotFoundError:
            return None
        except DAMAGED:
            path.unlink(missing_ok=True)  # the task is done again
            return None

    def staged(self) -> list[str]:
        """Returns the names of tasks whose rows wait for the driver."""
        paths = (self.directory / "staged").glob("[!.]*.npz")
        return sorted(path.stem for path in paths)

    def remove(self, name: str) -> None:
        """Forgets a task whose rows are in the store."""
        self._staged(name).unlink(missing_ok=True)

    def read_bad(self) -> dict[str, BadImage]:
        """Returns the bad images that are known, by digest."""
        if not self.ledger.exists():
            return {}
        with workdir.reading(self.ledger):
            rows = [BadImage(**row) for row in workdir.read_json(self.ledger)]
        return {bad.digest: bad for bad in rows}

    def write_bad(self, images: Iterable[BadImage]) -> None:
        """Writes the ledger, by path."""
        rows = sorted(map(dataclasses.asdict, images), key=lambda r: r["path"])
        workdir.write_json(self.ledger, rows)


@contextlib.contextmanager
def _creating(path: Path) -> Iterator[Path]:
    """Yields a temporary path that becomes `path` if nothing is there then."""
    temporary = workdir.temporary_beside(path)
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
