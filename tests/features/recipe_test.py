import dataclasses

import keras
import numpy as np
import pytest

from tlkeras.data.augmentation import Augmentation
from tlkeras.data.definition import CURRENT, FIRST, ImageDefinition
from tlkeras.data.views import Views
from tlkeras.features.network_hash import graph_hash
from tlkeras.features.recipe import recipe_hash


def build(**changes):
    settings = {
        "name": "one",
        "scale": 1 / 255,
        "size": 8,
        "activation": "relu",
        "kernel_size": 3,
        "policy": "float32",
        **changes,
    }
    keras.utils.set_random_seed(0)
    size = settings["size"]
    inputs = keras.Input((size, size, 3), name=f"{settings['name']}_input")
    x = keras.layers.Rescaling(settings["scale"])(inputs)
    inner_input = keras.Input((size, size, 3))
    y = keras.layers.Conv2D(
        4,
        settings["kernel_size"],
        padding="same",
        name=f"{settings['name']}_conv",
        dtype=settings["policy"],
    )(inner_input)
    y = keras.layers.BatchNormalization()(y)
    y = keras.layers.Activation(settings["activation"])(y)
    inner = keras.Model(inner_input, y)
    return keras.Model(inputs, inner(x))


def test_names_and_counters_do_not_count():
    assert graph_hash(build()) == graph_hash(build(name="two"))


def test_large_constants_of_a_call_count():
    """NumPy prints them with dots in the middle."""
    images = keras.Input((64, 64, 3))
    zeros = np.zeros((64, 64, 3), np.float32)
    patched = zeros.copy()
    patched[30:34, 30:34] = 1
    first, second, again = (
        graph_hash(keras.Model(images, images - value))
        for value in (zeros, patched, zeros.copy())
    )
    assert first == again != second


def test_nested_sequentials_have_a_hash():
    """ConvNeXt's stem is one."""
    hashes = []
    for activation in ("relu", "gelu"):
        keras.utils.set_random_seed(0)
        stem = keras.Sequential(
            [keras.layers.Conv2D(4, 3, activation=activation)], name="stem"
        )
        images = keras.Input((8, 8, 3))
        hashes.append(graph_hash(keras.Model(images, stem(images))))
    assert hashes[0] != hashes[1]


def test_freezing_does_not_count():
    model = build()
    before = graph_hash(model)
    model.trainable = False
    assert graph_hash(model) == before


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 1 / 127.5},
        {"size": 12},
        {"activation": "relu6"},
        {"kernel_size": 1},
        {"policy": "mixed_bfloat16"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_changes_the_numbers_misses(change):
    assert graph_hash(build(**change)) != graph_hash(build())


@pytest.mark.parametrize("index", range(6))
def test_a_changed_weight_misses(index):
    model = build()
    before = graph_hash(model)
    values = model.get_weights()
    values[index].flat[-1] = np.nextafter(values[index].flat[-1], 9)
    model.set_weights(values)
    assert graph_hash(model) != before


PLAIN = Views(None, None, seed=1)
CROPS = Views(Augmentation(), 4, seed=1)


def key(views=PLAIN, **changes):
    settings = {
        "engine": "keras",
        "precision": "float32",
        "storage": "float32",
        "definition": CURRENT,
        **changes,
    }
    return recipe_hash("graph", views=views, **settings)


def test_engine_precision_and_storage_miss():
    keys = {
        key(),
        key(engine="openvino"),
        key(precision="bfloat16"),
        key(storage="float16"),
        key(CROPS),
    }
    assert len(keys) == 5


def test_the_seed_counts_where_views_are_augmented_only():
    other = dataclasses.replace
    assert key(other(PLAIN, seed=2)) == key()
    assert key(other(CROPS, seed=2)) != key(CROPS)
    assert key(other(CROPS, num_views=9)) == key(CROPS)
    changed = Augmentation(rotation_degrees=5.0)
    assert key(other(CROPS, augmentation=changed)) != key(CROPS)


def test_the_image_definition_counts_but_not_its_limit():
    definitions = (FIRST, CURRENT, ImageDefinition(geometry="letterbox"))
    assert len({key(definition=each) for each in definitions}) == 3
    smaller = ImageDefinition(max_pixels=1)
    assert key(definition=smaller) == key(definition=CURRENT)
