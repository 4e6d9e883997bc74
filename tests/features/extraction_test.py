"""The driver: what it promises whenever it dies."""

import dataclasses
import threading

import pytest

from tlkeras import devices
from tlkeras.errors import GateError, InputError
from tlkeras.features.bundle import write_bundle
from tlkeras.features.cache import ActivationCache, CacheError
from tlkeras.features.shard_task import ShardWorker
from tlkeras.features.task_folder import TaskFolder
from tlkeras.features.tasks import BadImage, ShardTask

from .conftest import add_files, store_files, with_comment

FIRST = "china/00.jpg"  # bad, where one is


class InThisProcess:
    """Runs tasks here; the first ones, if not all."""

    def __init__(self, limit=None):
        self.limit = limit
        self.names = []

    def run(self, bundle, tasks, folder):
        worker = ShardWorker(bundle, folder)
        for task in tasks[: self.limit]:
            self.names.append(task.name)
            yield worker.run(task)
        if self.limit is not None:
            raise KeyboardInterrupt


def files_of(extraction):
    return store_files(extraction.prefix, extraction.splits["train"])


def test_the_same_command_does_only_what_is_missing(make_extraction, reference):
    with pytest.raises(KeyboardInterrupt):
        make_extraction(InThisProcess(limit=2)).run()
    second = InThisProcess()
    extraction = make_extraction(second)
    extraction.run()
    assert len(second.names) == 2
    assert files_of(extraction) == reference()
    third = InThisProcess()
    make_extraction(third).run()
    assert not third.names


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (ActivationCache, "write"),
        (TaskFolder, "write_bad"),
        (TaskFolder, "remove"),
        (TaskFolder, "read_rows"),
    ],
)
def test_dying_between_two_steps_changes_nothing(
    make_extraction, reference, monkeypatch, where, name
):
    """Also where an image is bad, so that a shard has fewer rows."""
    bad = {}

    def run(name="tasks"):
        extraction = make_extraction(ListsOne(), name=name, share=0.1)
        bad[name] = extraction.run()
        return files_of(extraction)

    whole = run("whole")
    with monkeypatch.context() as patch:
        patch.setattr(where, name, _die)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert run() == whole
    assert bad["tasks"] == bad["whole"]
    assert len(bad["whole"]) == 1


def _die(*arguments):
    raise KeyboardInterrupt


class ListsOne(InThisProcess):
    """Lists the first image of the first split as bad."""

    def run(self, bundle, tasks, folder):
        no_image = folder.directory / "no_image"
        no_image.write_bytes(b"no image")
        worker = ShardWorker(bundle, folder)
        for task in tasks:
            first, *rest = task.images
            if first.path.endswith(FIRST):
                first = dataclasses.replace(first, file=str(no_image))
            yield worker.run(ShardTask((first, *rest)))


def test_rows_of_a_command_that_was_killed_are_filed(
    make_extraction, reference
):
    """Workers of a cluster go on after their driver died."""
    first = make_extraction(None)
    first.folder.create()
    bundle = write_bundle(
        first.folder.bundles,
        first.prefix.network,
        first.definition,
        first.cache.layout,
    )
    worker = ShardWorker(bundle, first.folder)
    for task in first._plan()[:3]:
        worker.run(task)
    second = InThisProcess()
    extraction = make_extraction(second)
    extraction.run()
    assert len(second.names) == 1
    assert files_of(extraction) == reference()
    assert not extraction.folder.staged()


def test_files_that_changed_are_tried_again(
    make_extraction, photo_split, tmp_path
):
    content = with_comment(photo_split, b"first")
    split = add_files(
        photo_split,
        tmp_path,
        {"changed.jpg": content, "gone.jpg": b"gone", "cut": content[:300]},
    )
    (tmp_path / "changed.jpg").write_bytes(content + b" ")
    (tmp_path / "gone.jpg").unlink()
    bad = make_extraction(InThisProcess(), split=split, share=0.1).run()
    changed, gone, cut = bad.values()
    assert changed.reason == "has changed since it was scanned"
    assert gone.reason == "cannot be read (No such file or directory)"
    assert cut.reason.startswith("cannot be decoded (")
    assert [b.is_final for b in bad.values()] == [False, False, True]
    (tmp_path / "changed.jpg").write_bytes(content)
    (tmp_path / "gone.jpg").write_bytes(b"gone")
    again = make_extraction(InThisProcess(), split=split, share=0.1).run()
    assert {*again} == {gone.digest, cut.digest}
    assert all(image.is_final for image in again.values())


def test_too_many_bad_images_fail_it_and_lose_nothing(
    make_extraction, photo_split
):
    extraction = make_extraction(ListsOne(), share=0.01)
    with pytest.raises(
        GateError, match=r"1 of 61 images are bad, above .*=0\.01; the first"
    ):
        extraction.run()
    assert extraction.folder.ledger.exists()
    assert len(files_of(extraction)) == 2
    bad = BadImage("x", photo_split.digests[5], "is bad", True)
    extraction.folder.write_bad([bad])
    with pytest.raises(GateError, match="'x', is bad"):  # without any task
        make_extraction(None, share=0.01).run()
    rest = make_extraction(InThisProcess(), share=1.0)
    assert [*rest.run()] == [bad.digest]


def test_damaged_rows_are_computed_again(
    make_extraction, reference, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(TaskFolder, "read_rows", lambda self, name: None)
        with pytest.raises(GateError, match=r"are damaged in .* same command"):
            make_extraction(InThisProcess()).run()
    extraction = make_extraction(InThisProcess())
    extraction.run()
    assert files_of(extraction) == reference()


def test_a_store_that_cannot_be_filled_is_told(make_extraction, monkeypatch):
    def refuse(self, keys, rows):
        raise CacheError("No space left on device")

    monkeypatch.setattr(ActivationCache, "write", refuse)
    with pytest.raises(InputError, match=r"cannot be filled \(No space left"):
        make_extraction(InThisProcess()).run()


def test_without_a_store_there_are_no_tasks(make_extraction):
    with pytest.raises(InputError, match=r"in a store \(features.cache is off"):
        make_extraction(None, cache="off")


def test_an_accelerator_is_one_processs_own(make_extraction, monkeypatch):
    monkeypatch.setattr(devices, "accelerator_name", lambda: "GPU")
    with pytest.raises(InputError, match="tensorflow on GPU runs in one"):
        make_extraction(None)


def test_another_command_waits_for_the_lock(make_extraction):
    """And finds the rows then."""
    first, second = (make_extraction(InThisProcess()) for _ in range(2))
    with first.cache.locked(lambda: None):
        thread = threading.Thread(target=second.run)
        thread.start()
        while "waiting for it" not in second.console.text:
            thread.join(0.05)
        first._run()
    thread.join()
    assert len(first.executor.names) == 4
    assert not second.executor.names
