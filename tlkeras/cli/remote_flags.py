"""--workdir and --output at addresses: commands work on local copies."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import flags

from tlkeras.console import complain
from tlkeras.remote import is_remote
from tlkeras.workdir import TEMPORARY

FLAGS = flags.FLAGS


def on_local_copies(
    module: ModuleType,
) -> Callable[[list[str]], int | None]:
    """Returns a command's `main` for flags that may name remote directories.

    It works on local copies, and what changed in them is uploaded at its end.

    Args:
        module: Of the command: `ONLY_READS` says that it changes no run,
            `OUTPUT_IS_A_RUN` that --output is a run directory, and
            `helps_as()` which of those this process is that help another one
            in its --workdir, "" if none.

    Returns:
        Arguments -> exit code; raises InputError if a store refuses or fails.
    """

    def main(arguments: list[str]) -> int | None:
        with _local_copies(module):
            return module.main(arguments)

    return main


@contextlib.contextmanager
def _local_copies(module: ModuleType) -> Iterator[None]:
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
    from tlkeras.remote_directory import helping_in, working_in
    from tlkeras.remote_output import publishing

    is_run = flag == "workdir" or getattr(module, "OUTPUT_IS_A_RUN", False)
    if is_run:
        helper = module.helps_as() if hasattr(module, "helps_as") else ""
        name = " ".join(filter(None, (url.rstrip("/"), helper)))
        folder = shared_folder("workdirs") / digest_text(name)
        if helper:
            with helping_in(url, folder) as local:
                yield str(local)
            return
        uploads = not getattr(module, "ONLY_READS", False)
        with working_in(url, folder, uploads=uploads) as local:
            yield str(local)
        if uploads:
            complain(f"{url} holds what changed in {local}")
        return
    with (
        tempfile.TemporaryDirectory(
            prefix=TEMPORARY, dir=shared_folder("outputs")
        ) as own,
        publishing(url, Path(own)) as local,
    ):
        yield str(local)
    complain(f"{url} holds what was written to {local}")
