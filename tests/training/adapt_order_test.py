"""BatchNormalization is adapted to all images, not to a class at a time."""

import numpy as np
import pytest

from tlkeras.console import Console
from tlkeras.training.opening import open_run
from tlkeras.training.start import start_run


@pytest.fixture
def run(tmp_path, make_small_config):
    config = make_small_config({"evaluation.batch_size": 16})
    with open_run(config, tmp_path / "run") as (config, directory):
        yield start_run(config, directory, Console(quiet=True))


def test_each_batch_is_a_sample_of_all_classes(run):
    split = run.dataset.splits["train"]
    in_order = split.targets[:16, 0].mean()
    assert in_order in (0, 1)  # the folder lists them class by class
    batches = run.shuffled_images()
    shares = [
        batches.split.targets[at : at + 16, 0].mean() for at in (0, 16, 32)
    ]
    assert all(0.1 < share < 0.9 for share in shares)
    assert sorted(batches.split.paths) == sorted(split.paths)
    again = run.shuffled_images()
    for one, other in zip(batches, again, strict=True):
        assert np.array_equal(one, other)
