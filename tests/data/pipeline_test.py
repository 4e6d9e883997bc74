import numpy as np
import pytest

from tlkeras.data.augmentation import Augmentation
from tlkeras.data.batches import (
    epoch_order,
    row_batches,
    training_batches,
)
from tlkeras.data.dataset import Split
from tlkeras.data.epoch import (
    balanced_class_weights,
    steps_per_epoch,
    stream_seed,
)
from tlkeras.data.load import load_dataset
from tlkeras.data.means import compute_training_mean
from tlkeras.data.pipeline import ImageBatches, decode_split
from tlkeras.data.reader import ViewReader
from tlkeras.data.views import Views
from tlkeras.errors import InputError

SIZE = (32, 32)


@pytest.fixture(scope="module")
def split(photo_folder):
    return load_dataset(str(photo_folder)).splits["train"]


def make(
    split,
    *,
    augmentation=None,
    num_views=None,
    class_weights=None,
    max_decoded_bytes=10**9,
    **changes,
):
    order = {"batch_size": 8, "seed": 5, "first_epoch": 0, "num_epochs": 3}
    reader = ViewReader(
        split,
        SIZE,
        Views(augmentation, num_views, seed=7),
        num_workers=2,
        max_decoded_bytes=max_decoded_bytes,
    )
    return list(
        training_batches(
            reader,
            row_batches(len(split), **{**order, **changes}),
            seed=5,
            class_weights=class_weights,
            num_workers=2,
        )
    )


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    "augmentation",
    [None, Augmentation(), Augmentation(mixup_alpha=0.4)],
    ids=["plain", "crops", "mixup"],
)
def test_starting_late_gives_what_an_uninterrupted_pass_gives(
    split, augmentation
):
    whole = make(split, augmentation=augmentation)
    steps = steps_per_epoch(len(split), 8)
    late = make(split, augmentation=augmentation, first_epoch=2)
    assert_same(whole[2 * steps :], late)


def test_decoding_on_the_fly_changes_nothing(split):
    assert_same(
        make(split, augmentation=Augmentation()),
        make(split, augmentation=Augmentation(), max_decoded_bytes=0),
    )


def test_each_epoch_is_another_permutation():
    orders = [epoch_order(50, 1, epoch) for epoch in range(3)]
    for order in orders:
        assert sorted(order) == list(range(50))
    assert (orders[0] != orders[1]).any()
    assert (epoch_order(50, 2, 0) != orders[0]).any()


def test_an_epoch_shows_no_image_twice(split):
    images = decode_split(split, SIZE, num_workers=2)
    known = {image.tobytes(): row for row, image in enumerate(images)}
    steps = steps_per_epoch(len(split), 8)
    seen = [
        known[image.astype(np.uint8).tobytes()]
        for batch in make(split, num_epochs=1)
        for image in batch[0]
    ]
    assert len(seen) == len(set(seen)) == steps * 8


def test_phases_have_streams_of_their_own():
    assert stream_seed(0, "a") != stream_seed(0, "b")
    assert stream_seed(0, "a") == stream_seed(0, "a")


def test_a_small_split_is_one_batch(split):
    (batch,) = make(split, batch_size=1000, num_epochs=1)
    assert len(batch[0]) == len(split)


def test_batches_in_order_are_the_decoded_images(split):
    images = decode_split(split, SIZE, num_workers=2)
    for limit in (0, 10**9):
        batches = ImageBatches(
            split, SIZE, batch_size=7, num_workers=2, max_decoded_bytes=limit
        )
        for _ in range(2):
            np.testing.assert_array_equal(np.concatenate(list(batches)), images)


def test_a_file_that_cannot_be_decoded_is_named(split, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff no jpeg")
    paths = (*split.paths[:2], str(bad))
    broken = Split(paths, split.targets[:3], split.digests[:3])
    with pytest.raises(InputError, match=r"bad.jpg' cannot be decoded"):
        decode_split(broken, SIZE, num_workers=2)
    batches = ImageBatches(
        broken, SIZE, batch_size=2, num_workers=2, max_decoded_bytes=0
    )
    with pytest.raises(InputError, match=r"bad.jpg' cannot be decoded"):
        list(batches)


def test_class_weights_balance_and_reach_the_batches(split):
    weights = balanced_class_weights(np.array([3, 1]))
    np.testing.assert_allclose(weights, [4 / 6, 2.0])
    for _, targets, sample_weights in make(
        split, class_weights=np.array([1.0, 3.0], np.float32)
    ):
        np.testing.assert_allclose(sample_weights, 1 + 2 * targets[:, 1])


def test_the_training_mean_is_of_the_training_images(split):
    images = decode_split(split, SIZE, num_workers=2).astype(float)
    common = {"image_size": 32, "num_workers": 2}
    mean, std = compute_training_mean(
        split, kind="channel", divide_by_std=True, **common
    )
    np.testing.assert_allclose(mean, images.mean((0, 1, 2)))
    np.testing.assert_allclose(std, images.std((0, 1, 2)))
    mean, std = compute_training_mean(
        split, kind="image", divide_by_std=False, **common
    )
    np.testing.assert_allclose(mean, images.mean(0))
    assert std is None
    assert compute_training_mean(
        split, kind="none", divide_by_std=False, **common
    ) == (None, None)


def test_weights_of_mixed_images_follow_their_targets(split):
    class_weights = np.array([1.0, 3.0], np.float32)
    mixing = Augmentation(mixup_alpha=1.0)
    batches = make(split, augmentation=mixing, class_weights=class_weights)
    for _, targets, weights in batches:
        np.testing.assert_allclose(weights, targets @ class_weights, rtol=1e-6)
    assert any(((t > 0) & (t < 1)).any() for _, t, _ in batches)
