import threading
import weakref

import pytest

from tlkeras.data.parallel import lent


class Thing:
    """What a generator knows."""


def count(thing, ended):
    try:
        for number in range(9):
            assert thing
            yield number
    finally:
        ended.set()


def test_what_was_lent_is_taken_back():
    thing, ended = Thing(), threading.Event()
    known = weakref.ref(thing)
    with lent(count(thing, ended)) as items:
        assert [next(items), next(items)] == [0, 1]
        del thing
        assert known()
    assert ended.is_set()
    assert known() is None
    assert list(items) == []


def test_all_items_and_errors_come_through():
    def fail():
        yield 1
        raise OSError("no file")

    with lent(count(Thing(), threading.Event())) as items:
        assert list(items) == list(range(9))
    with lent(fail()) as items, pytest.raises(OSError, match="no file"):
        list(items)


@pytest.mark.parametrize("error", [IndexError, KeyError, ValueError])
def test_no_error_is_taken_for_the_end(error):
    def break_off():
        yield 1
        raise error("index 9 is out of bounds")

    with lent(break_off()) as items:
        assert next(items) == 1
        with pytest.raises(error, match="out of bounds"):
            next(items)


def test_a_thread_that_reads_ahead_is_waited_for():
    began, go_on, seen = threading.Event(), threading.Event(), []

    def slow():
        began.set()
        go_on.wait(10)
        yield "late"

    with lent(slow()) as items:
        reader = threading.Thread(target=lambda: seen.extend(items))
        reader.start()
        began.wait(10)
        threading.Timer(0.05, go_on.set).start()
    reader.join()
    assert seen == ["late"]
