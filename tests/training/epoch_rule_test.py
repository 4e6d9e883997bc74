import pytest

from tlkeras.data.epoch import steps_per_epoch
from tlkeras.training.epoch_rule import auto_epochs


@pytest.mark.parametrize(
    ("num_images", "epochs"),
    [(10, 100), (100, 83), (1000, 8), (10**4, 8), (10**6, 1)],
)
def test_the_table_of_the_rule_at_batches_of_32(num_images, epochs):
    assert auto_epochs(num_images, 32) == epochs


def test_from_a_thousand_images_on_each_is_seen_as_often():
    assert [auto_epochs(n, 32) for n in (1500, 3000, 50_000)] == [8] * 3


def test_few_images_get_the_steps_of_a_thousand():
    most = auto_epochs(1000, 32) * steps_per_epoch(1000, 32)
    for num_images in (150, 245, 500, 900):
        steps = auto_epochs(num_images, 32) * steps_per_epoch(num_images, 32)
        assert steps == pytest.approx(most, rel=0.05)


def test_a_million_images_are_seen_once():
    assert auto_epochs(10**6, 32) == auto_epochs(10**8, 32) == 1
    # Larger batches make fewer steps an epoch, and thus more epochs.
    assert auto_epochs(10**6, 512) > 1


@pytest.mark.parametrize("batch_size", [1, 8, 32, 256, 4096])
def test_more_images_never_mean_more_epochs(batch_size):
    sizes = [round(1.5**k) for k in range(53)]
    epochs = [auto_epochs(size, batch_size) for size in sizes]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] == 100
    assert epochs[-1] == 1


@pytest.mark.parametrize("num_images", [500, 1000, 10**5])
def test_the_steps_do_not_depend_on_the_size_of_a_batch(num_images):
    """Beyond the middle; but for whole epochs, and the most of them."""
    wanted = 250 if num_images <= 1000 else 20_000
    for batch_size in (32, 64, 96):
        epochs = auto_epochs(num_images, batch_size)
        one = steps_per_epoch(num_images, batch_size)
        assert abs(epochs * one - wanted) <= one / 2 or epochs in (8, 100)
