"""Per-group optimizers on a real backbone."""

import functools

import keras
import numpy as np
import pytest

from tlkeras.callbacks.reduce_on_plateau import ReduceLROnPlateau
from tlkeras.errors import InputError
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.heads import HeadConfig
from tlkeras.models.layer_groups import group_layers
from tlkeras.optim.multi_optimizer import (
    build_group_optimizer,
    check_coverage,
    current_rates,
    export_slots,
    import_slots,
    inner_optimizers,
)
from tlkeras.optim.optimizers import OPTIMIZERS, OptimizerSpec, is_decayed
from tlkeras.optim.schedules import PhaseSchedule, ScheduleArgs

STARTS = {"head": "head", "upper": "auto", "lower": "auto"}


@functools.cache
def built(policy):
    """Returns a network, and its weights as they were built."""
    keras.utils.set_random_seed(0)
    # Without dropout, so that two runs can be compared step by step.
    classifier = build_classifier(
        "MobileNet",
        class_names=("a", "b", "c"),
        weights="letters",
        image_size=32,
        alpha=0.25,
        features_from="conv_pw_4_relu",
        head=HeadConfig(dropout=0.0, initializer="glorot_uniform"),
    )
    return classifier, classifier.model.get_weights()


def build(trainable_from="conv_dw_3"):
    """Returns the network as it was built; two blocks, of two stages, train."""
    classifier, weights = built(keras.config.dtype_policy().name)
    classifier.model.set_weights(weights)
    freeze(classifier, trainable_from=trainable_from, batch_norm="frozen")
    return classifier


def groups_of(classifier):
    groups = group_layers(classifier.backbone, classifier.head_layers, STARTS)
    return {group.name: group.variables for group in groups}


def compile_with(classifier, specs, **options):
    groups = groups_of(classifier)
    return compile_groups(classifier.model, groups, specs, **options)


def compile_groups(model, groups, specs, **options):
    optimizer = build_group_optimizer(
        groups, specs, model.trainable_variables, **options
    )
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    return optimizer


def specs(optimizer="sgd", rate=0.01, multipliers=(1, 1, 1), **rest):
    return {
        name: OptimizerSpec(optimizer, rate * multiplier, **rest)
        for name, multiplier in zip(STARTS, multipliers, strict=True)
    }


def trainable_values(model):
    return {
        v.path: keras.ops.convert_to_numpy(v) for v in model.trainable_variables
    }


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_equal_rates_in_all_groups_are_one_optimizer(batch, kind):
    def train(classifier):
        model = classifier.model
        losses = [float(model.train_on_batch(*batch)) for _ in range(4)]
        return losses, model.get_weights()

    single = build()
    plain = (
        keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
        if kind == "sgd"
        else keras.optimizers.AdamW(0.01, weight_decay=0.0)
    )
    single.model.compile(
        optimizer=plain,
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    losses, weights = train(single)
    assert losses[-1] < losses[0]
    grouped = build()
    compile_with(grouped, specs(kind))
    again, found = train(grouped)
    assert again == pytest.approx(losses, rel=1e-5)
    for a, b in zip(weights, found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_group_at_a_tenth_moves_a_tenth_as_far(batch):
    moved = []
    for multipliers in ((1, 1, 1), (1, 0.1, 0.01)):
        classifier = build()
        start = trainable_values(classifier.model)
        compile_with(classifier, specs(momentum=0.0, multipliers=multipliers))
        classifier.model.train_on_batch(*batch)
        end = trainable_values(classifier.model)
        moved.append({path: end[path] - start[path] for path in start})
    far, near = moved
    shares = {"head": 1.0, "upper": 0.1, "lower": 0.01}
    groups = groups_of(classifier)
    assert groups.keys() == shares.keys()
    for name, variables in groups.items():
        for path in (v.path for v in variables):
            assert far[path].any()
            np.testing.assert_allclose(
                near[path], shares[name] * far[path], atol=1e-6
            )


def test_each_group_has_its_own_optimizer_class(batch):
    classifier = build()
    kinds = {"head": "adam", "upper": "sgd", "lower": "rmsprop"}
    optimizer = compile_with(
        classifier, {n: OptimizerSpec(k, 1e-3) for n, k in kinds.items()}
    )
    before = trainable_values(classifier.model)
    classifier.model.train_on_batch(*batch)
    found = {o.name: type(o).__name__ for o in inner_optimizers(optimizer)}
    assert found == {"head": "Adam", "upper": "SGD", "lower": "RMSprop"}
    after = trainable_values(classifier.model)
    for name, variables in groups_of(classifier).items():
        assert any(
            (after[v.path] != before[v.path]).any() for v in variables
        ), name


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_every_optimizer_of_the_table_trains(batch, kind):
    images, targets = batch
    pixels = images[:, ::8, ::8].reshape(16, 48) / 255
    inputs = keras.Input((48,))
    model = keras.Model(inputs, keras.layers.Dense(3)(inputs))
    groups = {"head": model.trainable_variables}
    compile_groups(model, groups, {"head": OptimizerSpec(kind, 1e-3)})
    first = float(model.train_on_batch(pixels, targets))
    for _ in range(15):
        last = float(model.train_on_batch(pixels, targets))
    assert last < first


@pytest.fixture
def mixed_float16():
    keras.config.set_dtype_policy("mixed_float16")


def fit(classifier, batch, callbacks=(), epochs=4):
    return classifier.model.fit(
        *batch,
        batch_size=16,
        epochs=epochs,
        verbose=0,
        callbacks=list(callbacks),
    )


def test_float16_with_a_plateau_lowers_every_group(mixed_float16, batch):
    classifier = build()
    optimizer = compile_with(
        classifier,
        specs(rate=1e-4, multipliers=(1, 0.1, 0.01)),
        scale_loss=True,
    )
    before = current_rates(optimizer)
    plateau = ReduceLROnPlateau(
        monitor="loss", patience=1, factor=0.5, min_delta=1e9
    )
    fit(classifier, batch, [plateau])
    after = current_rates(optimizer)
    assert set(before) == {"head", "upper", "lower"}
    for name, rate in before.items():
        assert after[name] == pytest.approx(rate * 0.5**3, rel=1e-3)


def test_float16_with_a_schedule_decays_every_group(mixed_float16, batch):
    classifier = build()
    args = ScheduleArgs(total_epochs=4, decay_per_epoch=0.5)
    optimizer = compile_with(
        classifier,
        {
            name: OptimizerSpec(
                "adamw", PhaseSchedule("exponential", peak, 1, args)
            )
            for name, peak in (("head", 1e-3), ("upper", 1e-4), ("lower", 1e-5))
        },
        scale_loss=True,
    )
    history = fit(classifier, batch)
    assert np.isfinite(history.history["loss"]).all()
    rates = current_rates(optimizer)
    assert rates["head"] == pytest.approx(1e-3 / 16)
    assert rates["lower"] == pytest.approx(1e-5 / 16)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_save_load_continue_equals_continuing(tmp_path, batch, policy):
    keras.config.set_dtype_policy(policy)
    classifier = build()
    compile_with(
        classifier,
        specs("adamw", 1e-3),
        scale_loss=policy == "mixed_float16",
    )
    classifier.model.train_on_batch(*batch)
    classifier.model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for model in (classifier.model, loaded):
        model.train_on_batch(*batch)
    tolerance = 1e-6 if policy == "float32" else 1e-3
    for a, b in zip(classifier.model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


def test_clipping_is_over_all_groups(batch):
    classifier = build()
    start = trainable_values(classifier.model)
    compile_with(classifier, specs(rate=1.0, momentum=0.0), joint_clipnorm=1e-3)
    classifier.model.train_on_batch(*batch)
    after = trainable_values(classifier.model)
    norm = np.sqrt(sum(np.square(after[p] - start[p]).sum() for p in start))
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_weight_decay_spares_biases():
    classifier = build("none")
    classifier.logits_layer.bias.assign([1.0, 1.0, 1.0])
    kernel = classifier.logits_layer.get_weights()[0]
    spec = OptimizerSpec("sgd", 0.1, weight_decay=0.5, momentum=0.0)
    optimizer = compile_with(classifier, {"head": spec})
    optimizer.build(classifier.model.trainable_variables)
    variables = classifier.model.trainable_variables
    optimizer.apply([v * 0.0 for v in variables], variables)
    now_kernel, now_bias = classifier.logits_layer.get_weights()
    np.testing.assert_allclose(now_kernel, kernel * (1 - 0.1 * 0.5), rtol=1e-5)
    np.testing.assert_array_equal(now_bias, 1.0)
    assert [is_decayed(v) for v in variables] == [True, False]


def test_slots_are_carried_over_where_they_all_exist(batch):
    classifier = build("stage3")
    first = compile_with(classifier, specs("adamw", 1e-3))
    for _ in range(3):
        classifier.model.train_on_batch(*batch)
    slots = export_slots(first)
    freeze(classifier, trainable_from="conv_dw_3", batch_norm="frozen")
    args = ScheduleArgs(total_epochs=4)
    second = compile_with(
        classifier,
        {
            name: OptimizerSpec("adamw", PhaseSchedule("sqrt", 1e-3, 10, args))
            for name in STARTS
        },
    )
    second.build(classifier.model.trainable_variables)
    carried = import_slots(second, slots)
    assert carried == {"head": 3, "upper": 3}
    rates = current_rates(second)
    assert rates["head"] == rates["lower"] == pytest.approx(1e-3)
    again = export_slots(second)
    for key, value in slots.items():
        np.testing.assert_array_equal(again[key], value)


def test_continuing_with_carried_slots_is_continuing(batch):
    """A phase change that changes nothing changes nothing."""
    classifier = build()
    model = classifier.model

    def step_twice():
        for _ in range(2):
            model.train_on_batch(*batch)
        return model.get_weights()

    first = compile_with(classifier, specs("adamw", 1e-3))
    changed_at, slots = step_twice(), export_slots(first)
    kept = step_twice()
    model.set_weights(changed_at)
    second = compile_with(classifier, specs("adamw", 1e-3))
    second.build(model.trainable_variables)
    import_slots(second, slots)
    for a, b in zip(kept, step_twice(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_another_optimizer_class_starts_afresh(batch):
    classifier = build("none")
    first = compile_with(classifier, {"head": OptimizerSpec("adam", 1e-3)})
    classifier.model.train_on_batch(*batch)
    second = compile_with(classifier, {"head": OptimizerSpec("sgd", 1e-3)})
    second.build(classifier.model.trainable_variables)
    assert import_slots(second, export_slots(first)) == {}


def test_coverage_is_checked():
    classifier = build()
    trainable = classifier.model.trainable_variables
    groups = groups_of(classifier)
    check_coverage(groups, trainable)
    with pytest.raises(InputError, match="group 'empty' matches no"):
        check_coverage({**groups, "empty": []}, trainable)
    with pytest.raises(InputError, match="is in two layer groups"):
        check_coverage({**groups, "twice": groups["head"]}, trainable)
    with pytest.raises(InputError, match="is in no layer group"):
        check_coverage({"head": groups["head"]}, trainable)
    frozen = [
        w
        for w in classifier.model.weights
        if w.path not in {v.path for v in trainable}
    ]
    with pytest.raises(InputError, match="does not train"):
        check_coverage({**groups, "frozen": frozen[:1]}, trainable)


def test_an_unknown_optimizer_is_refused():
    classifier = build("none")
    with pytest.raises(InputError, match=r"Did you mean .adam."):
        compile_with(classifier, {"head": OptimizerSpec("adaam", 1e-3)})
