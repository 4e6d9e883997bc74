"""The files of a run that another process needs to go on with it."""

import io
import tarfile
from pathlib import Path

from tlkeras import workdir

TRAVELLING = (
    workdir.CONFIG,
    workdir.CHECKS,
    workdir.HISTORY,
    workdir.LR_FINDER,
    workdir.RESULT,
    workdir.REVIEWED,
)


def pack_run(directory: Path) -> bytes:
    """Returns what a run has committed, as the bytes of an archive.

    Args:
        directory: Of the run, at which nobody else is at work.
    """
    paths = [directory / name for name in TRAVELLING]
    paths += sorted((directory / workdir.CHECKPOINTS).glob("[!.]*.npz"))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in paths:
            if path.exists():
                archive.add(path, str(path.relative_to(directory)))
    return packed.getvalue()


def unpack_run(content: bytes, directory: Path) -> None:
    """Writes what `pack_run` took, over what there is.

    Args:
        content: From `pack_run`.
        directory: Created where there is none.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(directory, filter="data")
