"""Batches in parts for devices."""

import types

import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.training.batch_parts import require_divisible, split_batches


def test_parts_of_a_batch_are_the_batch_in_its_order():
    images, targets = np.arange(24.0).reshape(6, 4), np.arange(6)
    batches = [((images, images[:, :2]), targets), ((images, images), targets)]
    parts = list(split_batches(batches, 3))
    assert len(parts) == 6
    for begin in (0, 3):
        whole = np.concatenate([part[0][0] for part in parts[begin:][:3]])
        np.testing.assert_array_equal(whole, images)
    assert all(part[1].dtype == np.float32 for part in parts)
    assert [len(part[1]) for part in parts] == [2] * 6


def phase(batch_size, method="fit"):
    return types.SimpleNamespace(
        name="fine_tune", batch_size=batch_size, method=method
    )


@pytest.mark.parametrize(
    ("batch_size", "num_images", "instead"),
    [(15, 1000, 12), (3, 1000, 4), (64, 30, 28)],
)
def test_a_batch_that_does_not_divide_is_refused(
    batch_size, num_images, instead
):
    with pytest.raises(InputError, match=f"batch_size={instead}, or") as error:
        require_divisible([phase(batch_size)], num_images, 4)
    assert "of the phase 'fine_tune' cannot be divided" in str(error.value)


def test_a_batch_that_divides_is_fine_and_a_solved_phase_has_none():
    require_divisible([phase(16), phase(15, "solve")], 1000, 4)
    require_divisible([phase(15)], 1000, 1)
