import numpy as np
import pytest

from tlkeras.checks.neighbouring_names import check_neighbouring_names
from tlkeras.checks.split_leaks import check_copies
from tlkeras.data.dataset import Split


def make_split(numbers, *, groups=(), pattern="film/frame_{:04d}.jpg"):
    paths = tuple(pattern.format(number) for number in numbers)
    return Split(
        paths, np.ones((len(paths), 1), np.float32), paths, groups=groups
    )


def test_frames_whose_likest_follow_them_warn():
    train = make_split(range(0, 100, 2))
    held = make_split(range(1, 40, 2))
    result = check_neighbouring_names([(train, held, np.arange(20))])
    assert (result.verdict, result.value) == ("warn", 20)
    assert "data.group_by" in result.message
    assert "film/frame_0000.jpg and film/frame_0001.jpg" in result.message


@pytest.mark.parametrize(
    "pattern", ["film/frame_{:04d}.jpg", "photos/{:032x}.jpg", "a{}/x.jpg"]
)
def test_likest_images_anywhere_pass(pattern):
    train = make_split(range(0, 100, 2), pattern=pattern)
    held = make_split(range(1, 40, 2), pattern=pattern)
    places = np.random.default_rng(0).permutation(50)[:20]
    result = check_neighbouring_names([(train, held, places)])
    assert result.verdict == "pass"


def test_a_folder_of_few_images_is_all_neighbours_and_says_nothing():
    train, held = make_split([0, 2, 4]), make_split([1, 3] * 10)
    places = np.ones(20, np.int64)
    assert check_neighbouring_names([(train, held, places)]).verdict == "pass"


def test_groups_answer_the_question():
    train = make_split(range(4), groups=("a",) * 4)
    result = check_neighbouring_names([(train, train, np.arange(4))])
    assert result.verdict == "skip"


def test_few_copies_warn_and_many_fail():
    pair = [("a.jpg (train)", "b.jpg (test)")]
    verdicts = [
        check_copies(pair * count, num_held=1000).verdict
        for count in (0, 1, 20, 21)
    ]
    assert verdicts == ["pass", "warn", "warn", "fail"]
    result = check_copies(pair, num_held=10, num_left=7)
    assert "a.jpg (train) and b.jpg (test)" in result.message
    assert "7 images were not compared" in result.message
