"""Tasks on several processes: the bytes of one process, whatever dies."""

import os
import signal

import pytest

from tlkeras.errors import GateError, InputError
from tlkeras.features import executors
from tlkeras.features.executors import LocalProcesses

from .conftest import add_files, needs_openvino, store_files, with_comment


def run(extraction):
    bad = extraction.run()
    return bad, store_files(extraction.prefix, extraction.splits["train"])


@pytest.mark.parametrize(
    ("engine", "count"),
    [
        pytest.param("openvino", 2, marks=needs_openvino),
        ("keras", 1),  # each imports TensorFlow
    ],
)
def test_processes_write_what_one_does(
    make_extraction, reference, engine, count
):
    bad, files = run(make_extraction(LocalProcesses(count), engine=engine))
    assert not bad
    assert files == reference(engine)
    assert len(files) == 8


def test_the_death_of_a_worker_loses_one_task(
    make_extraction, reference, monkeypatch
):
    extraction = make_extraction(LocalProcesses(2))
    asked, killed = [], []
    ask, start = executors._Worker._ask, executors._Worker._start

    def ask_and_count(self, task):
        asked.append(task.name)
        return ask(self, task)

    def start_and_kill_the_first(self):
        start(self)
        if not killed:
            killed.append(self._process.pid)
            os.kill(self._process.pid, signal.SIGKILL)

    monkeypatch.setattr(executors._Worker, "_ask", ask_and_count)
    monkeypatch.setattr(executors._Worker, "_start", start_and_kill_the_first)
    _, files = run(extraction)
    assert files == reference()
    assert len(asked) == len(set(asked)) + 1


def test_an_image_that_ends_processes_is_listed_and_not_tried_again(
    make_extraction, photo_split, tmp_path, dying_workers, monkeypatch
):
    split = add_files(
        photo_split,
        tmp_path,
        {
            "good.jpg": with_comment(photo_split, b"is fine"),
            "dies.jpg": with_comment(photo_split, b"ends the process"),
        },
    )
    extraction = make_extraction(LocalProcesses(1), split=split, share=0.1)
    bad, files = run(extraction)
    (image,) = bad.values()
    assert image.path.endswith("dies.jpg")
    assert image.reason == "ends the process that decodes it (SIGABRT)"
    assert not [*(extraction.folder.directory / "attempts").iterdir()]
    # The next command needs no worker: nothing is left to try.
    monkeypatch.setattr(executors, "WORKER", "no.such.worker")
    again = make_extraction(LocalProcesses(1), split=split, share=0.1)
    assert run(again) == (bad, files)


@pytest.mark.parametrize(
    ("worker", "text"),
    [
        ("import os; os._exit(7)", "ended its worker 4 times, last .* code 7"),
        (
            "import sys; sys.stdin.readline();"
            'print(\'{"error": "OSError: No space left"}\')',
            r"A worker failed \(OSError: No space left\)",
        ),
    ],
)
def test_a_worker_that_cannot_work_fails_the_job(
    make_extraction, dying_workers, worker, text
):
    (dying_workers / "dying_worker.py").write_text(worker)
    with pytest.raises(GateError, match=text):
        make_extraction(LocalProcesses(2)).run()


def test_a_users_mistake_is_told_as_one(make_extraction, dying_workers):
    (dying_workers / "dying_worker.py").write_text(
        'import sys; sys.stdin.readline(); print(\'{"input_error": "Hm."}\')'
    )
    with pytest.raises(InputError, match=r"^Hm\.$"):
        make_extraction(LocalProcesses(1)).run()
