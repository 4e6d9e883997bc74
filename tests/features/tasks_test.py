import numpy as np

from tlkeras.data.dataset import Split
from tlkeras.features.tasks import (
    BadImage,
    ShardRecord,
    ShardTask,
    TaskImage,
    plan_tasks,
)


def make_split(count):
    return Split(
        tuple(f"{n}.jpg" for n in range(count)),
        np.ones((count, 1), np.float32),
        tuple(f"{n:032x}" for n in range(count)),
        copies={"3.jpg": "copy.png"},
    )


def plan(split, rows, bad=()):
    missing = [(split.digests[row], 0) for row in rows]
    tasks = plan_tasks(split, missing, bad=bad, shard_rows=8)
    return [[int(i.digest, 16) for i in task.images] for task in tasks]


def test_tasks_are_the_shards_of_one_process():
    assert plan(make_split(20), range(20)) == [
        [*range(8)],
        [*range(8, 16)],
        [*range(16, 20)],
    ]


def test_what_is_left_keeps_its_borders():
    split = make_split(20)
    left = [*range(8), *range(16, 20)]
    assert plan(split, left) == [[*range(8)], [*range(16, 20)]]


def test_known_bad_images_are_in_no_task():
    split = make_split(9)
    assert plan(split, range(9), bad={split.digests[2]}) == [
        [0, 1, 3, 4, 5, 6, 7, 8]
    ]


def test_a_copy_is_decoded_in_the_place_of_what_tensorflow_cannot_read():
    split = make_split(4)
    missing = [(digest, 0) for digest in split.digests]
    (task,) = plan_tasks(split, missing, bad=(), shard_rows=8)
    assert [i.file for i in task.images][2:] == ["2.jpg", "copy.png"]
    assert task.images[3].path == "3.jpg"


def test_tasks_and_records_survive_their_line():
    name = b"caf\xe9\n.jpg".decode("utf-8", "surrogateescape")
    task = ShardTask((TaskImage(name, "ab", name),))
    assert "\n" not in task.encode()
    assert ShardTask.decode(task.encode()) == task
    bad = BadImage(name, "ab", "is bad", True)
    record = ShardRecord(task.name, (("cd", 0),), (bad,), 1.5)
    assert ShardRecord.decode(record.encode()) == record


def test_a_task_is_named_by_its_images_whatever_their_files():
    one, other = (
        ShardTask((TaskImage(path, "ab", path),)) for path in ("a", "b")
    )
    assert one.name == other.name
    assert one.name != ShardTask((TaskImage("a", "ac", "a"),)).name
