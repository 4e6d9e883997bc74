"""Views of an image: what is shown, what is averaged, what it is worth."""

import numpy as np
import pytest
from scipy.special import expit, softmax

from tlkeras.errors import InputError
from tlkeras.evaluation.calibration import NO_CALIBRATION, Calibration
from tlkeras.evaluation.test_time import (
    PLAIN,
    VIEW_VARIANTS,
    ImageView,
    MultiViewClassifier,
    average_views,
)
from tlkeras.evaluation.view_comparison import compare_variants, format_views
from tlkeras.models.classifier import build_classifier
from tlkeras.models.dense import build_dense, resize_classifier
from tlkeras.models.heads import HeadConfig
from tlkeras.optim.losses import LOSSES

SOFTMAX = LOSSES["softmax"]
FLIP = VIEW_VARIANTS["flip"]
CALIBRATED = Calibration(temperature=(1.5,), num_images=9)


def build(**fields):
    """Three classes of letters at random, at 32 px; logits of about one."""
    built = build_classifier(
        "MobileNet",
        class_names=("a", "b", "c"),
        weights="letters",
        image_size=32,
        alpha=0.25,
        **fields,
    )
    kernel, bias = built.logits_layer.get_weights()
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 1, kernel.shape), rng.normal(size=bias.shape)]
    built.logits_layer.set_weights(weights)
    return built.model


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def views(model):
    return MultiViewClassifier(model, "flip+scales", may_mirror=True)


def draw(size=32, seed=0):
    """Four images in which neighbours are alike."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 8, 8, 3), np.uint8)
    return small.repeat(size // 8, 1).repeat(size // 8, 2)


def average(answers, names, loss=SOFTMAX, calibration=CALIBRATED):
    return average_views(answers, names, loss=loss, calibration=calibration)


def look(views, images):
    """The logits of each view of images that are enlarged by repeating."""
    return views.compute_logits(
        lambda size: [images.repeat(size // 32, 1).repeat(size // 32, 2)]
    )


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [("softmax", softmax), ("squared_hinge", softmax), ("binary", expit)],
)
def test_probabilities_are_averaged_as_by_hand(name, by_hand):
    logits = np.random.default_rng(0).normal(0, 3, (3, 5, 4))
    of = (lambda z: by_hand(z, -1)) if by_hand is softmax else by_hand
    sizes = VIEW_VARIANTS["scales"]
    answers = dict(zip(sizes, logits, strict=True))
    found = of(average(answers, sizes, LOSSES[name]))
    np.testing.assert_allclose(found, of(logits).mean(0), rtol=1e-9)


@pytest.mark.parametrize("name", ["softmax", "binary"])
def test_the_surest_answers_stay_finite(name):
    answers = {view: np.array([[900.0, -900.0]]) for view in FLIP}
    found = average(answers, FLIP, LOSSES[name])
    assert np.isfinite(found).all()
    assert LOSSES[name].log_loss(found, np.array([[1.0, 0.0]])) < 1e-9


def test_margins_that_are_no_probabilities_are_averaged_themselves():
    answers = {
        view: np.full((1, 2), i + 0.5) * (1, -1) for i, view in enumerate(FLIP)
    }
    found = average(answers, FLIP, LOSSES["squared_hinge"], NO_CALIBRATION)
    np.testing.assert_array_equal(found, [[1.0, -1.0]])


def test_a_symmetrical_image_answers_as_without_its_mirror(views):
    half = draw()[:, :, :16]
    same = look(views, np.concatenate([half, half[:, :, ::-1]], 2))
    np.testing.assert_allclose(
        softmax(average(same, FLIP), -1),
        softmax(same[PLAIN], -1),
        atol=1e-5,
    )


def test_an_image_and_its_mirror_get_one_answer_from_both(views):
    images = draw()
    ours, theirs = look(views, images), look(views, images[:, :, ::-1])
    assert np.abs(ours[PLAIN] - theirs[PLAIN]).max() > 1e-3
    for name in ("flip", "flip+scales"):
        names = VIEW_VARIANTS[name]
        np.testing.assert_allclose(
            average(ours, names), average(theirs, names), atol=1e-4
        )


def test_the_plain_view_is_the_model_bit_by_bit(views, model):
    answers = look(views, draw())
    alone = model.predict_on_batch(draw().astype(np.float32))
    np.testing.assert_array_equal(average(answers, (PLAIN,)), alone)


def test_a_larger_classifier_answers_the_mean_of_its_class_maps(views, model):
    images = draw(64)
    maps = build_dense(model, image_size=64).model(images, training=False)
    logits = views.compute_logits(lambda size: [draw(size)])[ImageView(1)]
    np.testing.assert_allclose(
        logits, np.asarray(maps).mean((1, 2)), rtol=1e-3, atol=1e-3
    )


def test_a_view_costs_what_its_pixels_do(views):
    assert views.sizes == (32, 64, 96)
    assert views.compute_cost(FLIP) == 2
    scales = views.compute_cost(VIEW_VARIANTS["scales"])
    assert scales == pytest.approx(1 + 2**2 + 3**2, rel=0.01)


def test_views_that_the_run_or_the_network_refuses(model):
    with pytest.raises(InputError, match="horizontal_flip=False"):
        MultiViewClassifier(model, "flip+scales", may_mirror=False)
    MultiViewClassifier(model, "none", may_mirror=False)
    with pytest.raises(InputError, match="Did you mean 'flip'"):
        MultiViewClassifier(model, "flop", may_mirror=True)
    with pytest.raises(InputError, match="multiple of its stride 32"):
        resize_classifier(model, 40)
    flat = build(head=HeadConfig(pooling="flatten"))
    with pytest.raises(InputError, match=r"64 pixels, for flatten pooling"):
        MultiViewClassifier(flat, "scales", may_mirror=True)
    MultiViewClassifier(flat, "flip", may_mirror=True)
    centred = build(mean=np.full((32, 32, 3), 100.0))
    with pytest.raises(InputError, match="mean image"):
        MultiViewClassifier(centred, "scales", may_mirror=True)


@pytest.mark.parametrize(
    ("mirrored", "verdict"),
    [
        ("right", "more answers are right than chance explains"),
        ("wrong", "fewer answers are right than chance explains"),
        ("same", "no more answers are right than chance explains"),
    ],
)
def test_the_verdict_is_that_of_the_paired_difference(views, mirrored, verdict):
    targets = np.eye(3, dtype=np.float32)[np.arange(60) % 3]
    # Half of the plain answers are right.
    plain = np.where(np.arange(60)[:, None] < 30, targets, targets[::-1])
    shown = {"right": 9 * targets, "wrong": -9 * targets, "same": plain}
    record = compare_variants(
        "flip",
        views,
        dict(zip(FLIP, (plain, shown[mirrored]), strict=True)),
        targets,
        loss=SOFTMAX,
        calibration=CALIBRATED,
        num_samples=200,
    )
    none, flip = record.variants["none"], record.variants["flip"]
    for change in (none.score, none.log_loss_change):
        assert change.difference == 0
        assert change.interval == (0, 0)
    assert flip.score.difference == pytest.approx(flip.metric - none.metric)
    assert flip.log_loss_change.difference == pytest.approx(
        flip.log_loss - none.log_loss
    )
    assert flip.verdict.startswith(verdict)
    assert "at 2.0 times the cost" in flip.verdict
    assert ("worth a try" in flip.verdict) == (mirrored == "right")
    assert flip.verdict in format_views(record)
