"""Each planted fault is caught by the check meant for it."""

import functools

import keras
import numpy as np
import pytest
from PIL import Image

from tlkeras.checks.frozen_variables import (
    check_unchanged,
    frozen_statistics,
    frozen_variables,
)
from tlkeras.checks.initial_loss import check_initial_loss
from tlkeras.checks.input_contract import (
    check_input_contract,
    decode_reference,
)
from tlkeras.checks.one_step import (
    check_gradient,
    check_update_ratios,
    take_step,
)
from tlkeras.checks.regularization import check_regularization
from tlkeras.data.dataset import Split
from tlkeras.data.load import load_dataset
from tlkeras.models import classifier as classifier_module
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.cutoffs import find_cutoff
from tlkeras.models.graph import (
    batch_norm_layers,
    topological_layers,
)
from tlkeras.models.heads import HeadConfig
from tlkeras.optim.losses import LOSSES

CUT = "conv_dw_5"


def build(backbone="MobileNet", image_size=32, **settings):
    known = {
        "alpha": 0.25,
        "weights": "letters",
        "features_from": "conv_pw_6_relu",
    }
    random = {"weights": "none"}
    return build_classifier(
        backbone,
        class_names="abc",
        image_size=image_size,
        **(known if backbone == "MobileNet" else random),
        **settings,
    )


@functools.cache
def build_once(backbone="MobileNet", image_size=32, mean=None):
    """Returns a network that tests share: they leave its weights as they are.

    Args:
        backbone: Its name.
        image_size: Side of the square input, pixels.
        mean: That is subtracted of each channel, or None.
    """
    mean = None if mean is None else np.array(mean)
    return build(backbone, image_size, mean=mean)


@pytest.fixture(scope="module")
def photos(photo_crops):
    """Photos at 32 px: float32 [8, 32, 32, 3] in 0..255."""
    crops = np.concatenate([crops[:4] for crops in photo_crops.values()])
    return crops[:, 8:40, 8:40].astype(np.float32)


@pytest.fixture
def targets():
    return np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 1]]


MEAN = (120.0, 110.0, 100.0)


@pytest.mark.parametrize(
    ("backbone", "mean"),
    [
        ("MobileNet", None),
        ("ResNet50", None),
        ("MobileNetV3Small", None),
        ("EfficientNetV2B0", None),
        ("MobileNet", MEAN),
        ("ResNet50", MEAN),
        ("MobileNetV3Small", MEAN),
        pytest.param("EfficientNetV2B0", MEAN, marks=pytest.mark.slow),
    ],
)
def test_a_clean_input_passes(backbone, mean, photos):
    classifier = build_once(backbone, mean=mean)
    result = check_input_contract(classifier, photos, photos)
    assert result.verdict == "pass", result


@pytest.mark.parametrize("backbone", ["MobileNet", "ResNet50"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda images: images[..., ::-1], "another order"),
        (lambda images: images / 255, "scaled twice, or not at all"),
        (lambda images: images - 110, "shifted"),
        (lambda images: images * np.float32("nan"), "not finite"),
    ],
)
def test_a_fault_of_the_pipeline_is_caught(backbone, fault, message, photos):
    result = check_input_contract(build_once(backbone), fault(photos), photos)
    assert result.verdict == "fail"
    assert message in result.message


@pytest.mark.parametrize("backbone", ["MobileNet", "MobileNetV3Small"])
def test_a_double_rescale_in_the_model_is_caught(backbone, photos, monkeypatch):
    right = classifier_module.apply_contract
    monkeypatch.setattr(
        classifier_module,
        "apply_contract",
        lambda images, contract: right(
            keras.layers.Rescaling(1 / 127.5, -1)(images), contract
        ),
    )
    result = check_input_contract(build(backbone), photos, photos)
    assert result.verdict == "fail"
    assert "scaled twice" in result.message


@pytest.mark.parametrize("size", [32, 128])
@pytest.mark.parametrize("kind", ["text.jpg", "text.png", "noise.jpg"])
def test_fine_detail_is_no_fault(kind, size, tmp_path):
    from tlkeras.data.reader import ViewReader
    from tlkeras.data.views import UNCHANGED

    rng = np.random.default_rng(0)
    paths = []
    for number in range(8):
        page = np.full((400, 300, 3), 255, np.uint8)
        if kind == "noise.jpg":
            page = rng.integers(0, 256, page.shape, np.uint8)
        for line in range(10, 300, 12):
            for column in range(10, rng.integers(40, 290), 3):
                page[line : line + rng.integers(2, 8), column] = 20
        paths.append(str(tmp_path / f"{number}-{kind}"))
        Image.fromarray(page).save(paths[-1])
    split = Split(tuple(paths), np.eye(8, 3), tuple(paths))
    rows = np.arange(8)
    images = ViewReader(split, (size, size), UNCHANGED)(rows, 0 * rows)
    pixels = decode_reference(paths, size)
    classifier = build_once(image_size=size)
    result = check_input_contract(classifier, images, pixels)
    assert result.verdict in ("pass", "skip"), result
    if result.verdict == "pass":
        wrong = check_input_contract(classifier, images / 127.5 - 1, pixels)
        assert wrong.verdict == "fail"


def test_sixteen_bit_greys_are_no_fault(tmp_path):
    from tlkeras.data.reader import ViewReader
    from tlkeras.data.views import UNCHANGED

    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    path = str(tmp_path / "grey.png")
    Image.fromarray(ramp).save(path)
    split = Split((path,), np.eye(1, 3), (path,))
    images = ViewReader(split, (32, 32), UNCHANGED)(np.zeros(1, int), [0])
    pixels = decode_reference([path], 32)
    assert check_input_contract(build_once(), images, pixels).verdict == "pass"


def test_the_order_of_grey_images_cannot_be_told(photos):
    grey = np.repeat(photos.mean(-1, keepdims=True), 3, axis=-1)
    assert check_input_contract(build_once(), grey, grey).verdict == "pass"
    flat = np.full_like(photos, 7.0)
    assert check_input_contract(build_once(), flat, flat).verdict == "skip"


def test_two_decoders_agree_well_enough(photo_folder, photo_crops):
    from tlkeras.data.reader import ViewReader
    from tlkeras.data.views import UNCHANGED

    split = load_dataset(str(photo_folder)).splits["train"].take(np.arange(8))
    rows = np.arange(8)
    images = ViewReader(split, (32, 32), UNCHANGED)(rows, 0 * rows)
    pixels = decode_reference(split.paths, 32)
    assert check_input_contract(build_once(), images, pixels).verdict == "pass"


def test_a_head_with_a_large_initial_scale_is_caught(photos, targets):
    classifier = build()
    logits = classifier.model.predict_on_batch(photos)
    kernel = classifier.logits_layer.kernel
    loss = LOSSES["softmax"]
    assert check_initial_loss(targets, logits, loss=loss).verdict == "pass"
    codes = classifier.code_model.predict_on_batch(photos)
    kernel.assign(
        np.random.default_rng(0).normal(
            0, 30 / np.linalg.norm(codes, axis=-1).mean(), kernel.shape
        )
    )
    logits = classifier.model.predict_on_batch(photos)
    result = check_initial_loss(targets, logits, loss=loss)
    assert result.verdict == "fail"


def test_a_penalty_that_is_lost_is_caught():
    classifier = build(
        head=HeadConfig("mlp", hidden_units=(8,), l1=0.01, l2=0.1)
    )
    asked = {"l1": 0.01, "l2": 0.1}
    assert check_regularization(classifier, 1.0, **asked).verdict == "pass"
    assert classifier.logits_layer.kernel.regularizer is not None
    classifier.logits_layer.trainable = False
    assert check_regularization(classifier, 1.0, **asked).verdict == "fail"
    plain = build(head=HeadConfig("mlp", hidden_units=(8,)))
    lost = check_regularization(plain, 1.0, **asked)
    assert lost.verdict == "fail"
    assert "that the config asks for" in lost.message


def look_at_step(classifier, photos, targets, *, batch_norm="frozen"):
    """Returns check name -> verdict after one step."""
    step = take_step(classifier, photos, targets)
    cutoff = find_cutoff(classifier.backbone, CUT)
    return {
        "frozen_variables": check_unchanged(
            "frozen_variables",
            frozen_variables(classifier, cutoff),
            step.touched,
        ).verdict,
        "batch_norm": check_unchanged(
            "batch_norm",
            frozen_statistics(classifier, cutoff, batch_norm),
            step.touched,
        ).verdict,
        "gradient": check_gradient(step, classifier, cutoff).verdict,
    }


@pytest.mark.parametrize("batch_norm", ["frozen", "train"])
def test_a_clean_step_passes_and_leaves_no_trace(batch_norm, photos, targets):
    classifier = build_once()
    freeze(classifier, trainable_from=CUT, batch_norm=batch_norm)
    before = [v.numpy() for v in classifier.model.variables]
    verdicts = look_at_step(classifier, photos, targets, batch_norm=batch_norm)
    assert set(verdicts.values()) == {"pass"}, verdicts
    for variable, value in zip(classifier.model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_a_frozen_layer_that_trains_is_caught(photos, targets):
    classifier = build_once()
    freeze(classifier, trainable_from=CUT, batch_norm="frozen")
    classifier.backbone.get_layer("conv_pw_4").trainable = True
    verdicts = look_at_step(classifier, photos, targets)
    assert verdicts.pop("frozen_variables") == "fail"
    assert set(verdicts.values()) == {"pass"}


def test_normalisation_left_in_training_mode_is_caught(photos, targets):
    classifier = build_once()
    freeze(classifier, trainable_from=CUT, batch_norm="frozen")
    norms = batch_norm_layers(topological_layers(classifier.backbone))
    norms[-1].trainable = True
    verdicts = look_at_step(classifier, photos, targets)
    assert verdicts.pop("batch_norm") == "fail"
    assert set(verdicts.values()) == {"pass"}


def test_a_detached_gradient_is_caught(photos, targets, monkeypatch):
    right = classifier_module.build_head
    monkeypatch.setattr(
        classifier_module,
        "build_head",
        lambda features, head, **settings: right(
            keras.ops.stop_gradient(features), head, **settings
        ),
    )
    classifier = build()
    freeze(classifier, trainable_from=CUT, batch_norm="frozen")
    verdicts = look_at_step(classifier, photos, targets)
    assert verdicts.pop("gradient") == "fail"
    assert set(verdicts.values()) == {"pass"}


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ({"head": 1.0, "upper": 1e-3}, "pass"),
        ({"head": 1e-3, "upper": 0.5}, "warn"),
        ({"upper": 1e-7, "lower": 1e-3}, "warn"),
        ({"head": 1.0}, "skip"),
    ],
)
def test_update_ratios_are_judged_below_the_head(ratios, verdict):
    assert check_update_ratios(ratios).verdict == verdict
