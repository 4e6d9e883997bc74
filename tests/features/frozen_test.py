import dataclasses

import numpy as np
import pytest

from tlkeras.data.batches import row_batches, training_batches
from tlkeras.data.dataset import Split
from tlkeras.data.reader import ViewReader
from tlkeras.data.views import Views, image_keys
from tlkeras.errors import InputError

from .conftest import SIZE, Lines, assert_equal_tensors


def rows_of(prefix, split, views=None, *, cached=True):
    views = views or prefix.views
    return prefix.activations(split, views, live=not cached, what="images")


def num_computed(console):
    return [
        int(line.split(": ")[1].split(" of ")[0])
        for line in console.lines
        if " computed, " in line
    ]


def test_cached_rows_are_what_the_engine_gives(make_prefix, photo_split):
    prefix = make_prefix()
    cached = rows_of(prefix, photo_split)
    live = rows_of(prefix, photo_split, cached=False)
    assert cached.cache is not None
    assert live.cache is None
    for a, b in zip(cached.all_rows(), live.all_rows(), strict=True):
        assert a.shape[0] == len(photo_split)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_warm_cache_compiles_no_engine(make_prefix, photo_split):
    rows_of(make_prefix(), photo_split)
    console = Lines()
    warm = make_prefix(console=console)
    rows_of(warm, photo_split).all_rows()
    assert num_computed(console) == [0]
    assert warm.network._compiled is None
    assert "engine " in console.text


def test_an_added_image_is_computed_alone(
    make_prefix, photo_split, tmp_path, photo_crops
):
    from PIL import Image

    rows_of(make_prefix(), photo_split)
    file = tmp_path / "new.png"
    Image.fromarray(photo_crops["china"][0][::-1]).save(file)
    bigger = Split(
        (*photo_split.paths, str(file)),
        np.concatenate([photo_split.targets, photo_split.targets[:1]]),
        (*photo_split.digests, "f" * 32),
    )
    console = Lines()
    rows_of(make_prefix(console=console), bigger)
    assert num_computed(console) == [1]


def test_cached_views_are_what_the_live_pipeline_gives(
    photo_split, augmented_views
):
    """The same pixels, epoch by epoch, in the order of training."""

    def order():
        return row_batches(
            len(photo_split),
            batch_size=8,
            seed=5,
            first_epoch=0,
            num_epochs=4,
        )

    live = training_batches(
        ViewReader(photo_split, SIZE, augmented_views),
        order(),
        seed=5,
        class_weights=None,
        num_workers=2,
    )
    read = ViewReader(
        photo_split, SIZE, augmented_views, max_decoded_bytes=10**9
    )
    keys = image_keys(photo_split)
    seen = set()
    for (epoch, _, rows), (images, targets) in zip(order(), live, strict=True):
        views = augmented_views.of_epoch(keys[rows], epoch)
        seen |= set(views.tolist())
        one_by_one = [read(rows[i : i + 1], views[i : i + 1]) for i in range(8)]
        np.testing.assert_array_equal(np.concatenate(one_by_one), images)
        np.testing.assert_array_equal(photo_split.targets[rows], targets)
    assert seen == {0, 1, 2}


def test_an_image_goes_round_its_views(photo_split, augmented_views):
    keys = image_keys(photo_split)
    shown = np.stack([augmented_views.of_epoch(keys, e) for e in range(6)])
    assert (np.sort(shown[:3], axis=0) == np.arange(3)[:, None]).all()
    assert (shown[:3] == shown[3:]).all()
    assert len(np.unique(shown[0])) == 3
    endless = dataclasses.replace(augmented_views, num_views=None)
    assert (endless.of_epoch(keys, 5) == 5).all()


def test_views_do_not_depend_on_the_place_in_the_split(
    photo_split, augmented_views
):
    part = Split(
        photo_split.paths[::-1],
        photo_split.targets[::-1],
        photo_split.digests[::-1],
    )
    one = ViewReader(photo_split, SIZE, augmented_views)
    other = ViewReader(part, SIZE, augmented_views)
    last = len(photo_split) - 1
    np.testing.assert_array_equal(
        one(np.array([3]), np.array([2])),
        other(np.array([last - 3]), np.array([2])),
    )


def test_several_views_are_cached(make_prefix, photo_split, augmented_views):
    prefix = make_prefix(views=augmented_views)
    cached = rows_of(prefix, photo_split)
    rows = np.arange(len(photo_split))
    views = augmented_views.of_epoch(image_keys(photo_split), 2)
    live = rows_of(prefix, photo_split, cached=False)
    for a, b in zip(
        cached.rows(rows, views), live.rows(rows, views), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    first, second = (cached.rows(rows, rows * 0 + v)[0] for v in (0, 1))
    assert (first != second).any()


def test_too_little_room_runs_live_or_is_refused(make_prefix, photo_split):
    prefix = make_prefix(max_cache_bytes=1000)
    text = prefix.obstacle(photo_split, prefix.views)
    assert "pass the limit of 1000.0 B" in text
    strict = make_prefix(max_cache_bytes=1000, cache="on")
    with pytest.raises(InputError, match=r"x .* = .* pass the limit"):
        strict.obstacle(photo_split, strict.views)
    off = make_prefix(cache="off")
    assert off.obstacle(photo_split, off.views) == "features.cache is off"


def test_what_is_cached_needs_no_more_room(
    make_prefix, photo_split, monkeypatch
):
    free = 10**9
    monkeypatch.setattr(
        "shutil.disk_usage",
        lambda path: type("Usage", (), {"free": free}),
    )
    prefix = make_prefix()
    assert prefix.obstacle(photo_split, prefix.views) == ""
    rows_of(prefix, photo_split)
    free = 10
    assert prefix.obstacle(photo_split, prefix.views) == ""
    few = Split(photo_split.paths[:1], photo_split.targets[:1], ("0" * 32,))
    assert "pass the limit of 5.0 B" in prefix.obstacle(few, prefix.views)


def test_asking_reserves_nothing_and_keeping_does(make_prefix, photo_split):
    """Room for one split: whichever is kept first has it."""

    def part(rows):
        return Split(
            photo_split.paths[rows],
            photo_split.targets[rows],
            photo_split.digests[rows],
        )

    half = len(photo_split) // 2
    first, second = part(slice(half)), part(slice(half, 2 * half))
    row_bytes = make_prefix().layout.row_bytes
    prefix = make_prefix(max_cache_bytes=half * row_bytes)
    views = prefix.views
    for _ in range(2):
        assert prefix.obstacle(first, views) == ""
        assert prefix.obstacle(second, views) == ""
    assert rows_of(prefix, first).cache is not None
    assert "are in use" in prefix.obstacle(second, views)
    assert rows_of(prefix, second).cache is None
    # The same images, even as another object, need no more room.
    assert prefix.obstacle(part(slice(half)), views) == ""


def test_an_unwritable_cache_folder_is_given_up(
    make_prefix, photo_split, tmp_path, monkeypatch
):
    expected = rows_of(make_prefix(), photo_split, cached=False).all_rows()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "file" / "cache"))
    console = Lines()
    activations = rows_of(make_prefix(console=console), photo_split)
    assert activations.cache is None
    assert_equal_tensors(activations.all_rows(), expected)
    (line,) = [text for text in console.lines if "given up" in text]
    assert "set TLKERAS_CACHE" in line


def test_a_full_disk_is_one_sentence(make_prefix, photo_split, monkeypatch):
    import errno

    def full(path, rows):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tlkeras.features.cache.np.save", full)
    console = Lines()
    activations = rows_of(make_prefix(console=console), photo_split)
    assert activations.cache is None
    assert len(activations.all_rows()[0]) == len(photo_split)
    (line,) = [text for text in console.lines if "given up" in text]
    assert "No space left" in line
    assert "free " in line


def test_tensors_of_a_wide_frontier_keep_their_places(make_prefix, photo_split):
    from tlkeras.models.classifier import build_classifier

    classifier = build_classifier(
        "DenseNet121",
        class_names="ab",
        weights="none",
        image_size=32,
        features_from="conv3_block4_concat",
    )
    prefix = make_prefix(classifier=classifier, cut="middle")
    few = Split(
        photo_split.paths[:5], photo_split.targets[:5], photo_split.digests[:5]
    )
    cached, live = (
        rows_of(prefix, few, cached=c).all_rows() for c in (True, False)
    )
    assert len(cached) == len(prefix.network.prefix.outputs) > 1
    assert_equal_tensors([x.shape for x in cached], [x.shape for x in live])
    assert Views(None, 5, 0).count == 1
