"""Filling a store by tasks: plans them, has them run, files their rows."""

from collections.abc import Mapping

from tlkeras.console import Console
from tlkeras.data.dataset import Split
from tlkeras.data.views import Views
from tlkeras.errors import GateError, InputError
from tlkeras.features.activations import wanted_keys
from tlkeras.features.bundle import write_bundle
from tlkeras.features.cache import CacheError
from tlkeras.features.executors import Executor
from tlkeras.features.frozen import FrozenPrefix
from tlkeras.features.task_folder import TaskFolder
from tlkeras.features.tasks import BadImage, ShardRecord, ShardTask, plan_tasks


def require_room(
    prefix: FrozenPrefix, splits: Mapping[str, Split], views: Views
) -> None:
    """Makes sure that the rows of some splits can be kept.

    Args:
        prefix: The network at work.
        splits: Name -> images.
        views: How they are shown.

    Raises:
        InputError: If not.
    """
    for split in splits.values():
        if obstacle := prefix.obstacle(split, views):
            raise InputError(
                f"The codes cannot be kept in a store ({obstacle}); expected "
                "features.cache=auto and a disk with room: set "
                "--config.features.store to a folder on another one."
            )


class Extraction:
    """The rows of some splits, computed by tasks.

    Workers leave them in a folder beside the store; this process, which holds
    the store's lock meanwhile, files them. Another command waits for the lock,
    and finds the rows then.

    Args:
        prefix: The network at work; images are shown as they are.
        splits: Name -> images, all of one definition.
        executor: Runs the tasks.
        max_bad_share: Of the images, that may be listed as bad, in 0 .. 1.
        console: For people.
    """

    def __init__(
        self,
        prefix: FrozenPrefix,
        splits: Mapping[str, Split],
        executor: Executor,
        *,
        max_bad_share: float,
        console: Console,
    ) -> None:
        self.prefix = prefix
        self.splits = splits
        self.executor = executor
        self.max_bad_share = max_bad_share
        self.console = console
        self.definition = next(iter(splits.values())).definition
        require_room(prefix, splits, prefix.plain)
        prefix.network.require_graph()
        self.cache = prefix.cache_of(prefix.plain, self.definition)
        name = self.cache.directory.name
        self.folder = TaskFolder(prefix.root / "tasks" / name)
        self.bad: dict[str, BadImage] = {}

    def run(self) -> dict[str, BadImage]:
        """Computes what the store lacks.

        Returns:
            Images without a row, by digest.

        Raises:
            InputError: If the store cannot be filled.
            GateError: If too many images are bad, or the job failed; what was
                computed is kept.
        """
        try:
            with self.cache.locked(self._say_waiting):
                self._run()
        except CacheError as error:
            raise InputError(
                f"The store '{self.cache.directory}' cannot be filled "
                f"({error}); expected a disk with room that can be written: "
                "free some, or set --config.features.store to another folder, "
                "and start the same command again."
            ) from None
        return self.bad

    def _say_waiting(self) -> None:
        self.console.line("  another process fills this store; waiting for it")

    def _run(self) -> None:
        folder = self.folder
        folder.create()
        self.bad = {d: b for d, b in folder.read_bad().items() if b.is_final}
        for name in folder.staged():  # by a command that was killed
            record = folder.find(name)
            if record is not None:
                self._file(record, is_new=False)
        self._require_few_bad()
        tasks = self._plan()
        if not tasks:
            self.console.line("  every row is there")
            return
        total = sum(len(task.images) for task in tasks)
        bundle = write_bundle(
            folder.bundles,
            self.prefix.network,
            self.definition,
            self.cache.layout,
        )
        self.console.start("computing codes", total)
        done = 0
        try:
            for record in self.executor.run(bundle, tasks, folder):
                self._file(record, is_new=True)
                done += len(record.keys) + len(record.bad)
                self.console.advance_to(done)
        finally:
            self.console.stop()
        self.console.line(f"  {total} images computed, in {len(tasks)} shards")

    def _plan(self) -> list[ShardTask]:
        """Returns the tasks of all splits, each of which has its own shards."""
        return [
            task
            for split in self.splits.values()
            for task in plan_tasks(
                split,
                self.cache.missing(wanted_keys(split.digests, 1), repair=True),
                bad=self.bad,
                shard_rows=self.cache.layout.shard_rows(len(split)),
            )
        ]

    def _file(self, record: ShardRecord, *, is_new: bool) -> None:
        """Puts the rows of a task into the store, its bad images into the list.

        Dying between any two steps, this is done again from the beginning.

        Args:
            record: Of a task that is staged.
            is_new: Whether its rows are surely not in the store.
        """
        keys = list(record.keys)
        if keys and (is_new or self.cache.missing(keys)):
            rows = self.folder.read_rows(record.name)
            if rows is None:
                raise GateError(
                    f"The rows of the shard {record.name} are damaged in "
                    f"'{self.folder.directory}'; start the same command "
                    "again, which computes them again."
                )
            self.cache.write(keys, rows)
        if record.bad:
            self.bad.update({image.digest: image for image in record.bad})
            self.folder.write_bad(self.bad.values())
        self.folder.remove(record.name)
        if record.bad:
            self._require_few_bad()

    def _require_few_bad(self) -> None:
        """Makes sure that few images of the splits are bad.

        Raises:
            GateError: If they pass the limit.
        """
        total = sum(map(len, self.splits.values()))
        bad = [
            self.bad[digest]
            for split in self.splits.values()
            for digest in split.digests
            if digest in self.bad
        ]
        if len(bad) > self.max_bad_share * total:
            raise GateError(
                f"{len(bad)} of {total} images are bad, above the limit "
                f"data.max_bad_share={self.max_bad_share:g}; the first, "
                f"'{bad[0].path}', {bad[0].reason}. All of them are in "
                f"'{self.folder.ledger}': repair or remove them, or raise "
                "--config.data.max_bad_share."
            )
