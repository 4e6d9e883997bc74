"""So many training images of each class, as DeCAF and Zeiler-Fergus have it."""

import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.optim.losses import LOSSES
from tlkeras.studies.linear_probe import run_linear_probe
from tlkeras.studies.papers_protocol import (
    draw_per_class,
    measure_over_splits,
    require_enough,
)


def measure(codes, targets, **settings):
    return measure_over_splits(
        codes,
        targets,
        **{
            "loss": LOSSES["softmax"],
            "train_per_class": 10,
            "num_splits": 4,
            "seed": 0,
            **settings,
        },
    )


@pytest.fixture
def uneven():
    """Three classes of 30, 60 and 150 images."""
    labels = np.repeat([0, 1, 2], [30, 60, 150])
    targets = np.eye(3, dtype=np.float32)[labels]
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(240, 10)) + targets @ rng.normal(size=(3, 10))
    return codes, targets


def test_each_class_gives_as_many_images(uneven):
    _, targets = uneven
    chosen = draw_per_class(targets, 10, 0)
    assert targets[chosen].sum(0).tolist() == [10, 10, 10]
    assert (draw_per_class(targets, 10, 1) != chosen).any()


def test_accuracy_is_even_over_classes(uneven):
    """Codes that know nothing give 1 / C, however large one class is."""
    _, targets = uneven
    noise = np.random.default_rng(1).normal(size=(240, 5))
    found = measure(noise, targets, num_splits=20)
    assert found.accuracy == pytest.approx(1 / 3, abs=0.04)


def test_more_training_images_help(uneven):
    few, many = (measure(*uneven, train_per_class=n) for n in (3, 25))
    assert many.accuracy > few.accuracy
    assert few.deviation == pytest.approx(np.std(few.accuracies, ddof=1))
    assert len(few.accuracies) == 4


def test_too_few_images_of_a_class_are_refused(uneven):
    _, targets = uneven
    require_enough(targets, ("a", "b", "c"), 29)
    with pytest.raises(InputError, match=r"'a' has 30 images .* lower it"):
        require_enough(targets, ("a", "b", "c"), 30)
    with pytest.raises(InputError, match="several labels"):
        require_enough(targets + targets[::-1], ("a", "b", "c"), 2)


def test_the_probe_refuses_too_many(small_config, tmp_path):
    with pytest.raises(InputError, match="lower it"):
        run_linear_probe(small_config, tmp_path / "b", train_per_class=500)
    assert not (tmp_path / "b").exists()
