import dataclasses
import importlib.util
import re
import threading

import keras
import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.features import engines
from tlkeras.features.engines import ENGINES, choose_engine, relative_error
from tlkeras.features.keras_engine import reference_outputs
from tlkeras.features.precision_gate import compare_precision

from .conftest import needs_openvino, noisy_builder


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (11, 32, 32, 3), np.uint8)


@pytest.fixture
def network(letters_classifier):
    """Two outputs: a middle tensor and the codes."""
    backbone = letters_classifier.backbone
    return keras.Model(
        backbone.inputs,
        [backbone.get_layer("conv_pw_3_relu").output, backbone.output],
    )


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(
    "name", ["keras", pytest.param("openvino", marks=needs_openvino)]
)
def test_engines_agree_with_keras(name, dtype, network, images):
    engine = ENGINES[name].build(
        network, precision="float32", num_streams=2, dtype=dtype
    )
    part = images[: engine.batch_size - 3].astype(dtype)
    for got, wanted in zip(
        engine.run(part), reference_outputs(network, part), strict=True
    ):
        assert got.shape == wanted.shape
        assert got.dtype == np.float32
        assert relative_error(got, wanted) < 1e-5


@needs_openvino
def test_auto_takes_the_fast_one_and_says_why(network, images):
    choice = choose_engine(network, images)
    assert choice.engine.name == "openvino"
    assert "from Keras on 8 images" in choice.reason


@needs_openvino
def test_auto_leaves_an_inexact_engine_aside(network, images, monkeypatch):
    monkeypatch.setattr(engines, "MAX_RELATIVE_ERROR", 0.0)
    choice = choose_engine(network, images)
    assert choice.engine.name == "keras"
    assert "openvino is off by" in choice.reason


def test_auto_does_without_openvino(network, images, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    choice = choose_engine(network, images)
    assert choice.engine.name == "keras"
    assert "it is not installed" in choice.reason


def test_an_engine_that_is_not_installed_is_refused(
    network, images, monkeypatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'tlkeras\[openvino\]'"):
        choose_engine(network, images, engine="openvino")


def test_openvino_refuses_a_precision_that_it_lacks(network):
    with pytest.raises(InputError, match="does not compute in float16"):
        ENGINES["openvino"].build(
            network, dtype="uint8", precision="float16", num_streams=1
        )


def test_the_keras_engine_has_the_precision_of_the_network(network, images):
    with pytest.raises(InputError, match="network's own float32"):
        choose_engine(network, images, engine="keras", precision="bfloat16")


def test_a_mixed_precision_network_stays_with_keras(images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        inputs = keras.Input((32, 32, 3))
        network = keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs))
    finally:
        keras.config.set_dtype_policy("float32")
    choice = choose_engine(network, images, precision="bfloat16")
    assert choice.engine.name == "keras"
    assert "computes in bfloat16" in choice.reason


@pytest.fixture
def no_openvino(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


def test_a_new_row_is_chosen_if_it_is_exact(network, images, add_engine):
    add_engine("exact", noisy_builder(0.0, "exact"))
    choice = choose_engine(network, images)
    assert choice.engine.name == "exact"
    assert re.search("^the fastest; .* from Keras on 8 images", choice.reason)
    assert choose_engine(network, images, engine="exact").engine.name == "exact"


@pytest.mark.usefixtures("no_openvino")
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"obstacle": lambda: "it is broken"}, "is left aside: it is broken"),
        ({"precisions": ("int8",)}, "does not compute in float32"),
        ({"build": "inexact"}, "new is off by"),
        ({"accelerator": "GPU:0"}, "left aside: an accelerator is there"),
    ],
    ids=["obstacle", "precisions", "inexact", "accelerator"],
)
def test_a_new_row_that_cannot_serve_is_left_aside(
    network, images, add_engine, monkeypatch, row, reason
):
    """And Keras, which can, is taken."""

    def inexact(prefix, *, precision, **settings):
        # Noise, as if in a lower precision, under the name of float32.
        built = noisy_builder(1.0, "new")(
            prefix, precision="bfloat16", **settings
        )
        return dataclasses.replace(built, precision=precision)

    row = dict(row)
    build = inexact if row.pop("build", "") else noisy_builder(0.0, "new")
    name = row.pop("accelerator", None)
    monkeypatch.setattr("tlkeras.devices.accelerator_name", lambda: name)
    add_engine("new", build, **row)
    choice = choose_engine(network, images)
    assert choice.engine.name == "keras"
    assert reason in choice.reason


@pytest.mark.usefixtures("no_openvino")
def test_what_an_engine_computes_in_is_believed(network, images, add_engine):
    """One that falls back to float32 is held against Keras as such."""

    def build(prefix, *, precision, **settings):
        return noisy_builder(0.0, "new")(
            prefix, precision="float32", **settings
        )

    add_engine("new", build)
    choice = choose_engine(network, images, precision="bfloat16")
    assert choice.engine.precision == "float32"
    assert "from Keras on 8 images" in choice.reason
    assert choice.reason.endswith(
        "bfloat16 is not used: this processor does not compute in it"
    )


def codes_and_targets(noise):
    rng = np.random.default_rng(0)
    targets = np.eye(4)[rng.integers(0, 4, 200)]
    codes = targets @ rng.normal(0, 1, (4, 30)) + rng.normal(0, 0.5, (200, 30))
    return codes, codes + noise * rng.normal(0, 1, codes.shape), targets


@pytest.mark.parametrize(("noise", "passed"), [(1e-3, True), (2.0, False)])
def test_the_precision_gate_measures(noise, passed):
    exact, approximate, targets = codes_and_targets(noise)
    report = compare_precision([exact], [approximate], targets)
    assert report.passed == passed
    assert (report.agreement == 1) == passed
    assert "relative L2" in str(report)
    assert "smallest cosine" in str(report)


@needs_openvino
def test_the_first_inference_is_made_by_one_thread(
    network, images, monkeypatch
):
    """Two threads that make it at once wait for each other for ever."""
    import openvino

    calls = []
    right = openvino.InferRequest.infer

    def infer(*arguments, **settings):
        calls.append(threading.get_ident())
        return right(*arguments, **settings)

    monkeypatch.setattr(openvino.InferRequest, "infer", infer)
    engine = ENGINES["openvino"].build(
        network, precision="float32", num_streams=2, dtype="uint8"
    )
    assert calls == [threading.get_ident()]
    assert len(engine.run(images[:3])[0]) == 3
