import keras
import numpy as np
import pytest

from tlkeras.data.parallel import for_fit


def steps(count):
    for step in range(count):
        yield (
            (np.full((4, 3), step, np.float32), np.ones((4, 2), np.float32)),
            np.full((4, 1), step, np.float32),
        )


def test_the_pipeline_does_not_tune_itself():
    """Its thread would hold up the end of `fit`, a minute at worst."""
    pipeline = for_fit(steps(3))
    assert pipeline.options().autotune.enabled is False


def test_every_batch_is_read_once_in_order():
    found = keras.tree.map_structure(
        np.asarray, list(for_fit(steps(5)).as_numpy_iterator())
    )
    for one, other in zip(found, steps(5), strict=True):
        keras.tree.map_structure(np.testing.assert_array_equal, one, other)


def test_the_number_of_images_stays_open():
    """With a fixed one the graph, and so last bits, would be another."""
    shapes = [
        spec.shape[0]
        for spec in keras.tree.flatten(for_fit(steps(2)).element_spec)
    ]
    assert shapes == [None] * 3


@pytest.mark.parametrize("batches", [[1, 2], range(3)])
def test_what_is_no_generator_stays(batches):
    assert for_fit(batches) is batches


def test_another_backend_reads_the_generator(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    batches = steps(1)
    assert for_fit(batches) is batches
