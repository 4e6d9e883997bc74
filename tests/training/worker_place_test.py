"""Which process this one is, as TF_CONFIG says."""

import json

import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.training.worker_place import TF_CONFIG, WorkerPlace, read_place


def describe(cluster, kind, index):
    hosts = {name: [f"h{i}:1" for i in range(n)] for name, n in cluster.items()}
    return json.dumps(
        {"cluster": hosts, "task": {"type": kind, "index": index}}
    )


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "place"),
    [
        ({"worker": 2}, "worker", 0, WorkerPlace(0, 2)),
        ({"worker": 3}, "worker", 2, WorkerPlace(2, 3)),
        ({"chief": 1, "worker": 2}, "chief", 0, WorkerPlace(0, 3)),
        ({"chief": 1, "worker": 2}, "worker", 1, WorkerPlace(2, 3)),
    ],
)
def test_a_chief_comes_before_all_workers(
    monkeypatch, cluster, kind, index, place
):
    monkeypatch.setenv(TF_CONFIG, describe(cluster, kind, index))
    assert read_place() == place
    assert place.is_chief == (place.index == 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "TF_CONFIG is not set; expected two processes"),
        ("{", "TF_CONFIG={ cannot be read"),
        ("[]", "cannot be read"),
        ('{"cluster": {"worker": 3}}', "cannot be read"),
        (describe({"worker": 1}, "worker", 0), "names one process"),
        (describe({"worker": 2}, "worker", 2), "number 2 of 2 of kind 'wo"),
        (describe({"worker": 2}, "chief", 0), "number 0 of 0 of kind 'chief"),
        (describe({"worker": 2, "ps": 1}, "ps", 0), "this process a 'ps'"),
    ],
)
def test_what_describes_no_process_is_refused(monkeypatch, text, problem):
    monkeypatch.setenv(TF_CONFIG, text)
    with pytest.raises(InputError, match=problem):
        read_place()


def test_the_parts_of_all_processes_are_the_whole_in_its_order():
    rows = np.arange(12)
    parts = [WorkerPlace(index, 3).part_of(rows) for index in range(3)]
    np.testing.assert_array_equal(np.concatenate(parts), rows)
    assert len({len(part) for part in parts}) == 1
