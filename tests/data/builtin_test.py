import numpy as np
import pytest

from tlkeras.data import builtin
from tlkeras.errors import InputError


def test_letters_repeat_under_a_seed_and_differ_otherwise():
    first, again, other = (
        [
            image
            for image, _ in builtin.draw_letters(drawings_per_letter=1, seed=s)
        ]
        for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_letters_show_something_of_every_letter():
    drawings = list(builtin.draw_letters(drawings_per_letter=2))
    assert len(drawings) == 2 * 52
    assert {name for _, name in drawings} == set(builtin.LETTER_NAMES)
    border = np.mean([image[[0, -1]].mean() for image, _ in drawings])
    assert border < 64  # light on dark
    for image, _ in drawings:
        assert image.shape == (32, 32)
        assert image.max() > 100


def test_there_are_many_fonts():
    assert len(builtin.font_paths()) >= 20


def test_digits_are_scikit_learns():
    drawings = list(builtin.read_digits())
    assert len(drawings) == 1797
    assert drawings[0][0].shape == (8, 8)
    assert drawings[0][0].max() == 239  # 15 of 16


def test_an_unknown_built_in_is_refused():
    with pytest.raises(InputError, match="Did you mean 'digits'"):
        builtin.list_builtin("digit")
