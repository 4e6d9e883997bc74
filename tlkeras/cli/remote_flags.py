"""--workdir and --output at addresses: commands work on local copies."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import flags

from tlkeras.console import complain
from tlkeras.remote import is_remote

FLAGS = flags.FLAGS


@contextlib.contextmanager
def local_copies(module: ModuleType) -> Iterator[None]:
    """Puts local copies of remote directories into the flags of a command.

    What changed in them is uploaded when the block ends.

    Args:
        module: Of the command: `ONLY_READS` says that it changes no run,
            `OUTPUT_IS_A_RUN` that --output is a run directory.

    Raises:
        InputError: If a store refuses or fails.
    """
    with contextlib.ExitStack() as stack:
        for name in ("workdir", "output"):
            if name not in FLAGS or not FLAGS[name].value:
                continue
            flag: Any = FLAGS[name]
            is_list = isinstance(flag.value, list)
            given = flag.value if is_list else [flag.value]
            local = [
                stack.enter_context(_local_copy(url, name, module))
                if is_remote(url)
                else url
                for url in given
            ]
            if local != given:
                flag.value = local if is_list else local[0]
        yield


@contextlib.contextmanager
def _local_copy(url: str, flag: str, module: ModuleType) -> Iterator[str]:
    from tlkeras.data.shared_folder import shared_folder
    from tlkeras.data.splits import digest_text
    from tlkeras.remote_directory import publishing, working_in

    is_run = flag == "workdir" or getattr(module, "OUTPUT_IS_A_RUN", False)
    if is_run:
        folder = shared_folder("workdirs") / digest_text(url.rstrip("/"))
        uploads = not getattr(module, "ONLY_READS", False)
        with working_in(url, folder, uploads=uploads) as local:
            yield str(local)
        if uploads:
            complain(f"{url} holds what changed in {local}")
        return
    with (
        tempfile.TemporaryDirectory(dir=shared_folder("outputs")) as own,
        publishing(url, Path(own)) as local,
    ):
        yield str(local)
    complain(f"{url} holds what was written to {local}")
