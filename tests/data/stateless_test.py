"""Random numbers, bit by bit those of TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf

from tlkeras.data import stateless


@pytest.fixture
def seeds():
    rng = np.random.default_rng(0)
    near = np.array([[0, 0], [0, 1], [-1, 3], [2**31, -(2**31)]])
    return np.concatenate([near, rng.integers(-(2**62), 2**62, (8, 2))])


@pytest.mark.parametrize("count", [1, 2, 9])
def test_uniform_numbers(seeds, count):
    found = stateless.uniform(seeds, 0.3, 1.7, count=count)
    for seed, row in zip(seeds, found, strict=True):
        expected = tf.random.stateless_uniform((count,), seed, 0.3, 1.7)
        np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize("bits", [32, 64])
def test_seeds_that_are_folded(seeds, bits):
    dtype = tf.int32 if bits == 32 else tf.int64
    numbers = np.arange(len(seeds)) * (1 if bits == 32 else 2**40 + 7)
    found = stateless.fold_in(seeds, numbers, bits=bits)
    for seed, number, row in zip(seeds, numbers, found, strict=True):
        expected = tf.random.experimental.stateless_fold_in(
            seed, tf.constant(number, dtype)
        )
        np.testing.assert_array_equal(row, expected)


@pytest.mark.parametrize("count", [1, 2, 7, 1000])
def test_orders(seeds, count):
    for seed in seeds[:5]:
        expected = tf.random.experimental.stateless_shuffle(
            tf.range(count, dtype=tf.int64), tf.constant(seed)
        )
        found = stateless.shuffle(count, tuple(seed.tolist()))
        np.testing.assert_array_equal(found, expected)
