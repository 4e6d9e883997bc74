"""An ensemble is one classifier that answers the mean of its members."""

import keras
import numpy as np
import pytest

from tlkeras.errors import GateError
from tlkeras.models.backbones import SMALLEST
from tlkeras.models.cells import find_backbone, find_stride
from tlkeras.models.classifier import build_classifier
from tlkeras.models.dense import build_dense
from tlkeras.models.ensemble import build_ensemble, compute_cost, find_change
from tlkeras.models.graph import layer_index, topological_layers
from tlkeras.models.heads import HeadConfig
from tlkeras.training.member_models import prove_joined

# Backbone -> its width, and a layer from which members differ; in MobileNetV2
# it is one inside a residual block.
DIFFER = {
    "MobileNet": (0.25, "conv_pw_12"),
    "MobileNetV2": (0.35, "block_15_expand"),
}


def build_members(
    backbone="MobileNet", num_members=2, *, first="", size=64, **head
):
    """Classifiers that differ in the head, and from a layer on."""
    alpha, layer = DIFFER.get(backbone, (1.0, ""))
    members = []
    for seed in range(num_members):
        keras.utils.set_random_seed(0)  # the same start
        built = build_classifier(
            backbone,
            class_names="abc",
            weights="none",
            image_size=size,
            alpha=alpha,
            head=HeadConfig(**head),
        )
        rng = np.random.default_rng(seed)
        layers = topological_layers(built.backbone)
        if first or layer:
            cut = layer_index(built.backbone, first or layer, what="layer")
        else:
            cut = len(layers) * 9 // 10
        for changed in [*layers[cut:], built.logits_layer]:
            changed.set_weights(
                [
                    w * rng.uniform(0.5, 2, w.shape) + rng.uniform(0, 0.1)
                    for w in changed.get_weights()
                ]
            )
        members.append(built.model)
    return members


def answer(model):
    size = model.inputs[0].shape[1]
    images = np.random.default_rng(0).uniform(0, 255, (2, size, size, 3))
    return np.asarray(model(images.astype(np.float32), training=False))


def assert_mean(ensemble, members):
    logits = np.stack([answer(member) for member in members])
    assert np.ptp(logits, axis=0).max() > 1e-3  # they disagree
    scale = np.abs(logits).max()
    np.testing.assert_allclose(
        answer(ensemble) / scale, logits.mean(0) / scale, atol=1e-5
    )


@pytest.mark.parametrize(
    ("backbone", "num_members", "pooling"),
    [
        ("MobileNet", 2, "flatten"),
        *(
            pytest.param("MobileNetV2", 3, name, marks=pytest.mark.slow)
            for name in ("average", "max", "flatten")
        ),
    ],
)
def test_it_answers_the_mean_of_its_members(
    backbone, num_members, pooling, tmp_path
):
    members = build_members(backbone, num_members, pooling=pooling)
    networks = [find_backbone(member) for member in members]
    changed = topological_layers(networks[0])[find_change(networks)]
    assert changed.name == DIFFER[backbone][1]
    ensemble = build_ensemble(members)
    assert_mean(ensemble, members)
    # What is equal is there once.
    sizes = [model.count_params() for model in (ensemble, members[0])]
    assert sizes[0] < num_members * sizes[1]
    assert 1 < compute_cost(ensemble, members[0]) < num_members
    ensemble.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(answer(loaded), answer(ensemble))
    # Like any classifier it has class maps.
    assert find_stride(loaded) == 32
    maps = answer(build_dense(loaded).model)
    scale = np.abs(maps).max()
    np.testing.assert_allclose(
        maps.mean((1, 2)) / scale, answer(ensemble) / scale, atol=1e-4
    )


def test_heads_over_one_backbone_become_one_head():
    members = build_members(first="conv_pw_13_relu")
    ensemble = build_ensemble(members)
    assert_mean(ensemble, members)
    assert ensemble.count_params() == members[0].count_params()
    assert compute_cost(ensemble, members[0]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST.values())
def test_every_family_is_copied_and_shared(name, tmp_path):
    members = build_members(name, size=96)
    ensemble = build_ensemble(members)
    assert_mean(ensemble, members)
    assert compute_cost(ensemble, members[0]) < 2
    ensemble.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(answer(loaded), answer(ensemble))
    keras.backend.clear_session()


def test_an_ensemble_that_is_not_its_members_is_refused():
    members = build_members()
    images = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3))
    prove_joined(build_ensemble(members), members, images)
    with pytest.raises(GateError, match="mean of its 2 networks"):
        prove_joined(members[0], members, images)
