import importlib

import keras
import numpy as np
import pytest

from tlkeras.checks.frozen_variables import check_unchanged
from tlkeras.checks.input_contract import check_input_contract
from tlkeras.checks.one_step import check_gradient, take_step
from tlkeras.checks.regularization import check_regularization
from tlkeras.errors import InputError
from tlkeras.models.backbones import (
    BACKBONES,
    SMALLEST,
    build_backbone,
    check_image_size,
)
from tlkeras.models.batch_norm import adapt_batch_norm
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.cutoffs import find_cutoff, truncate
from tlkeras.models.depths import block_ends
from tlkeras.models.graph import (
    batch_norm_layers,
    frontiers,
    graph_nodes,
    layer_stages,
    leaf_layers,
    num_parameters,
    topological_layers,
)
from tlkeras.models.layer_groups import group_layers, section_group_starts
from tlkeras.models.preprocessing import contract_values

from .families import by_cost

# Where the builders live, for their own preprocess_input.
MODULES = {
    "Xception": "xception",
    "ResNet": "resnet",
    "ResNetV2": "resnet_v2",
    "InceptionV3": "inception_v3",
    "InceptionResNetV2": "inception_resnet_v2",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3": "mobilenet_v3",
    "DenseNet": "densenet",
    "NASNet": "nasnet",
    "EfficientNet": "efficientnet",
    "EfficientNetV2": "efficientnet_v2",
    "ConvNeXt": "convnext",
}


def test_the_table_is_complete():
    builders = {
        name
        for name in dir(keras.applications)
        if name[0].isupper() and callable(getattr(keras.applications, name))
    }
    assert set(BACKBONES) == builders
    assert {spec.family for spec in BACKBONES.values()} == set(SMALLEST)


@pytest.mark.parametrize("name", BACKBONES)
def test_the_contract_is_the_networks_own_preprocessing(name):
    spec = BACKBONES[name]
    module = importlib.import_module(
        f"keras.applications.{MODULES.get(spec.family, name.lower())}"
    )
    rgb = np.random.default_rng(0).uniform(0, 255, (4, 4, 3)).astype(np.float32)
    np.testing.assert_allclose(
        contract_values(rgb, spec.contract),
        module.preprocess_input(rgb.copy()),
        atol=1e-4,
    )


@pytest.mark.parametrize("name", by_cost(BACKBONES, SMALLEST.values()))
def test_structure_of_every_backbone(name):
    """All of it on one network: building it is what takes the time."""
    size = max(BACKBONES[name].min_size, 96)
    backbone = build_backbone(name, image_size=size)
    layers = topological_layers(backbone)
    check_order(backbone, layers)
    check_cutoffs(backbone, layers)
    check_depths(backbone, layers)
    if name in ("InceptionV3", "NASNetMobile", "ResNet50"):
        check_end_of_stage(name, backbone, size)
    check_groups(name, backbone)
    keras.backend.clear_session()


def check_order(backbone, layers):
    produced = {id(t) for t in backbone.inputs}
    for node in graph_nodes(backbone):
        known = (id(t) in produced for t in node.input_tensors)
        assert all(known), node.operation.name
        produced |= {id(t) for t in node.output_tensors}
    assert layers == [x for x in backbone.operations if x in layers]
    stages = layer_stages(backbone)
    assert stages == sorted(stages)
    assert stages[-1] == 5


def check_cutoffs(backbone, layers):
    total = sum(map(num_parameters, layers))
    assert find_cutoff(backbone, "none") == len(layers)
    assert find_cutoff(backbone, "all") == 0
    for share in ("0.1", "0.5", "1"):
        cutoff = find_cutoff(backbone, share)
        held = sum(map(num_parameters, layers[cutoff:]))
        less = held - num_parameters(layers[cutoff])
        assert held >= float(share) * total > less - 1
    owners = [layer for layer in layers if layer.weights]
    cutoff = find_cutoff(backbone, "-5")
    assert sum(bool(layer.weights) for layer in layers[cutoff:]) == 5
    assert find_cutoff(backbone, f"-{len(owners)}") == layers.index(owners[0])
    stages = layer_stages(backbone)
    for stage in set(stages) - {0}:
        assert find_cutoff(backbone, f"stage{stage}") == stages.index(stage)
    middle = len(layers) // 2
    assert find_cutoff(backbone, layers[middle].name) == middle


def check_depths(backbone, layers):
    """One tensor carries all after each depth."""
    names = [layer.name for layer in layers]
    alive = dict(zip(names, frontiers(backbone), strict=True))
    ends = block_ends(backbone)
    assert len(ends) == len(set(ends)) >= 2
    assert [names.index(x) for x in ends] == sorted(map(names.index, ends))
    assert all(len(alive[end].after) == 1 for end in ends)
    assert ends[-1] == names[-1]
    first = backbone.get_layer(ends[0])
    assert first.output.shape[-1] > 3


def check_end_of_stage(name, backbone, size):
    """A stage ends where all of the rest depends on it."""
    cut = truncate(backbone, "stage4")
    last = cut.layers[-1].output
    alive = frontiers(backbone)
    index = [x.name for x in topological_layers(backbone)].index(
        cut.layers[-1].name
    )
    if name != "NASNetMobile":  # its cells read two earlier ones
        assert len(alive[index].after) == 1
        assert alive[index].after[0] is last
    assert size / last.shape[1] == pytest.approx(16, rel=0.6)


def check_groups(name, backbone):
    for batch_norm in (False, True):
        for layer in batch_norm_layers(topological_layers(backbone)):
            layer.trainable = batch_norm
        for starts in (
            {"head": "head", "upper": "auto", "lower": "auto"},
            section_group_starts(backbone),
        ):
            groups = group_layers(backbone, [], starts)[1:]
            grouped = [v.path for g in groups for v in g.variables]
            assert sorted(grouped) == sorted(
                v.path for v in backbone.trainable_variables
            )
            assert len(set(grouped)) == len(grouped), name


def small_size(spec):
    return spec.min_size if spec.min_size > 32 else 32


def answers(model, images):
    """Runs a model without a graph, whose tracing would cost far more."""
    return keras.ops.convert_to_numpy(model(images, training=False))


def check_training_step(name, tmp_path):
    """One step moves what trains, and nothing else; saving keeps it all."""
    keras.utils.set_random_seed(0)
    spec = BACKBONES[name]
    classifier = build_classifier(
        name, class_names="abc", weights="none", image_size=small_size(spec)
    )
    # Near the top: further down, much of a deep random network does not move.
    counts = freeze(classifier, trainable_from="-8", batch_norm="frozen")
    assert counts["frozen_layers"] > 0
    model = classifier.model
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (4, *model.input_shape[1:])).astype(np.float32)
    contract = check_input_contract(classifier, images, images)
    assert contract.verdict == "pass", contract
    penalty = check_regularization(classifier, 1.0)
    assert penalty.verdict == "pass", penalty
    # Random weights let signals fade: normalise them, and let the head, which
    # is nearly zero when fresh, carry a gradient. Stochastic depth is off: it
    # would make the frozen normalisation of a deep random network blow up
    # (1e8 in EfficientNetV2S), and a saturated sigmoid passes no gradient.
    for layer in topological_layers(classifier.backbone):
        for leaf in leaf_layers(layer):
            if isinstance(leaf, keras.layers.Dropout):
                leaf.rate = 0.0
    adapt_batch_norm(classifier, [images])
    size = np.linalg.norm(answers(classifier.code_model, images), axis=1)
    kernel = classifier.logits_layer.kernel
    kernel.assign(rng.normal(0, 1 / size.mean(), kernel.shape))
    step = take_step(
        classifier, images, np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    )
    trainable = {v.path for v in model.trainable_variables}
    frozen = [w for w in model.weights if w.path not in trainable]
    assert check_unchanged("frozen", frozen, step.changed).verdict == "pass"
    cutoff = find_cutoff(classifier.backbone, "-8")
    assert check_gradient(step, classifier, cutoff).verdict == "pass"
    moved = [path for path, g in step.gradients.items() if g.any()]
    assert set(moved) <= trainable
    assert len(moved) >= 0.8 * len(trainable), (moved, trainable)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    for saved, weight in zip(loaded.weights, model.weights, strict=True):
        np.testing.assert_array_equal(saved, weight, weight.path)
    # Both in the same mode: random networks amplify the last bits.
    bare = keras.Model(model.inputs, model.outputs)
    expected = answers(bare, images)
    scale = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    np.testing.assert_allclose(
        answers(loaded, images), expected, rtol=1e-3, atol=1e-3 * scale
    )


@pytest.mark.parametrize("name", by_cost(BACKBONES))
def test_one_step_of_every_backbone(name, tmp_path):
    check_training_step(name, tmp_path)
    keras.backend.clear_session()


def test_a_size_below_the_minimum_is_refused():
    with pytest.raises(InputError, match="at least 71 pixels"):
        check_image_size(BACKBONES["Xception"], 64)


def test_an_unknown_backbone_is_refused():
    with pytest.raises(InputError, match="Did you mean 'MobileNetV2'"):
        build_backbone("MobileNetv2")


def test_alpha_is_refused_where_there_is_none():
    with pytest.raises(InputError, match="VGG16 has no width multiplier"):
        build_backbone("VGG16", alpha=0.5, image_size=32)


def test_missing_weights_name_the_file_and_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    import tlkeras.models.backbones as module

    def fail(**kwargs):
        raise Exception(
            "URL fetch failure on https://host.example/path/weights_x.h5: None"
        )

    monkeypatch.setattr(module.keras.applications, "VGG16", fail)
    with pytest.raises(InputError, match=r"file 'weights_x.h5' in .*models'"):
        build_backbone("VGG16", imagenet=True)


def test_features_from_cuts_the_top_off():
    backbone = build_backbone("MobileNet", image_size=32, alpha=0.25)
    cut = truncate(backbone, "conv_pw_5_relu")
    assert cut.output.shape[1:] == (4, 4, 64)
    by_stage = truncate(backbone, "stage3")
    assert by_stage.output.shape[1] == 4
    assert truncate(backbone, "") is backbone
    with pytest.raises(InputError, match="Did you mean 'conv_pw_5_relu'"):
        truncate(backbone, "conv_pw5_relu")
    with pytest.raises(InputError, match="'stage9' does not exist"):
        truncate(backbone, "stage9")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv_pw_99", "is no layer of"),
        ("stage7", "expected one of: stage1, stage2"),
        ("-1000", "expected at most"),
        ("1.5", "out of range"),
        ("-0.5", "out of range"),
        ("0", "out of range"),
    ],
)
def test_impossible_cutoffs_are_refused(text, message):
    backbone = build_backbone("MobileNet", image_size=32, alpha=0.25)
    with pytest.raises(InputError, match=message):
        find_cutoff(backbone, text)
