"""Decisions that were answered are there after a SIGKILL."""

import os
import signal
import subprocess
import sys

import pytest

from tlkeras import workdir
from tlkeras.data.review_file import read_decisions

from .conftest import Page

NUM_DECISIONS = 200


@pytest.fixture
def command(run):
    """The command itself, and its page."""
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tlkeras.cli.main", "demo"),
            *(f"--workdir={run}", "--port=0", "--quiet"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process, Page(int(process.stdout.readline().rpartition(":")[2]))
        process.kill()


def test_two_hundred_decisions_survive_a_kill(command, run, open_session):
    process, page = command
    digests = [row["digest"] for row in workdir.read_table(run / workdir.SPLIT)]
    values = [
        {"digest": digests[n % len(digests)], "decision": "relabel"}
        | {"label": ("china", "flower")[n % 3 == 0]}
        for n in range(NUM_DECISIONS)
    ]
    for value in values:
        assert page.post("/api/decide", value)[0] == 200
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    rows = read_decisions(run / workdir.REVIEW)
    assert [(row.digest, row.label) for row in rows] == [
        (value["digest"], value["label"]) for value in values
    ]
    decided = open_session(run).describe()["decided"]
    assert decided == {
        value["digest"]: {"decision": "relabel", "label": value["label"]}
        for value in values
    }
