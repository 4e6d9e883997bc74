"""bfloat16: the gate, and processors that compute in it or do not."""

import json

import pytest

from tlkeras import workdir
from tlkeras.data.load import load_dataset
from tlkeras.data.reader import ViewReader
from tlkeras.errors import InputError
from tlkeras.features.engines import (
    choose_engine,
    engine_obstacle,
    relative_error,
)
from tlkeras.features.openvino_graph import cpu_capabilities
from tlkeras.models.classifier import build_classifier

from .conftest import Lines, build_rounding, needs_openvino, noisy_builder

LACKS = "bfloat16 is not used: this processor does not compute in it"


def has_bfloat16():
    return not engine_obstacle("openvino") and "BF16" in cpu_capabilities()


@pytest.fixture
def needs_bfloat16():
    if not has_bfloat16():
        pytest.skip("OpenVINO finds no bfloat16 in this processor")


@pytest.fixture
def needs_no_bfloat16():
    if has_bfloat16():
        pytest.skip("this processor computes in bfloat16")


@pytest.fixture
def offer(monkeypatch):
    """Lets OpenVINO's CPU device claim some capabilities."""
    openvino = pytest.importorskip("openvino", reason="an extra")
    right = openvino.Core.get_property

    def pretend(*capabilities):
        monkeypatch.setattr(
            openvino.Core,
            "get_property",
            lambda self, device, name: (
                list(capabilities)
                if name == "OPTIMIZATION_CAPABILITIES"
                else right(self, device, name)
            ),
        )

    return pretend


@pytest.mark.parametrize(
    ("noise", "precision"), [(1e-4, "bfloat16"), (1.0, "float32")]
)
def test_bfloat16_is_used_only_if_it_passes(
    make_prefix, photo_split, add_engine, noise, precision
):
    add_engine("noisy", noisy_builder(noise))
    console = Lines()
    prefix = make_prefix(
        console=console, precision="bfloat16", engine="noisy", cache="off"
    )
    rows = prefix.activations(photo_split, prefix.views, what="images")
    assert len(rows.all_rows()[0]) == len(photo_split)
    assert prefix.precision == prefix.engine.precision == precision
    verdict = "accepted" if precision == "bfloat16" else "refused"
    assert f"bfloat16 is {verdict}: relative L2" in console.text


def test_a_lower_precision_than_the_network_has_is_refused(make_prefix):
    prefix = make_prefix(precision="bfloat16", engine="keras")
    with pytest.raises(InputError, match="network's own float32"):
        _ = prefix.precision


@needs_openvino
@pytest.mark.parametrize("engine", ["auto", "openvino"])
def test_a_processor_without_bfloat16_computes_in_float32(
    make_prefix, photo_split, offer, engine
):
    """It says so, and shares the rows of a run that asked for float32."""
    plain = make_prefix(engine="openvino")
    plain.activations(photo_split, plain.views, what="images")
    offer("FP32", "INT8")
    console = Lines()
    prefix = make_prefix(precision="bfloat16", engine=engine, console=console)
    prefix.activations(photo_split, prefix.views, what="images")
    assert prefix.precision == prefix.engine.precision == "float32"
    assert prefix.engine.name == "openvino"
    assert LACKS in console.text
    assert "accepted" not in console.text
    assert f"images: 0 of {len(photo_split)} computed" in console.text


@needs_openvino
@pytest.mark.usefixtures("needs_no_bfloat16")
def test_what_the_compiled_model_says_counts_most(make_prefix, offer):
    """Even where the device claims what the processor has not."""
    offer("FP32", "BF16")
    console = Lines()
    prefix = make_prefix(
        precision="bfloat16", engine="openvino", console=console
    )
    assert prefix.engine.precision == prefix.precision == "float32"
    assert LACKS in console.text


@pytest.mark.usefixtures("needs_bfloat16")
def test_a_processor_with_bfloat16_computes_in_it(make_prefix, photo_split):
    prefix = make_prefix()
    images = prefix.network._sample(8)[1]
    runs = {}
    for precision in ("float32", "bfloat16"):
        engine = choose_engine(
            prefix.network.prefix,
            images,
            engine="openvino",
            precision=precision,
        ).engine
        assert engine.precision == precision
        runs[precision] = engine.run(images)[0]
    assert 1e-4 < relative_error(runs["bfloat16"], runs["float32"]) < 0.5


@needs_openvino
def test_a_decision_is_not_shared_with_another_kind_of_processor(
    make_prefix, offer
):
    """Their cache folder may be one; float32 is the same everywhere."""
    folder = workdir.cache_directory() / "engines"
    questions = {}
    for capabilities in (("FP32",), ("FP32", "BF16")):
        offer(*capabilities)
        for precision in ("float32", "bfloat16"):
            choice = make_prefix(precision=precision).network
            questions[capabilities, precision] = choice._question()
    assert len(set(questions.values())) == 3
    offer("FP32")
    assert make_prefix(precision="bfloat16").precision == "float32"
    (file,) = folder.glob("*.json")
    assert file.stem == questions[("FP32",), "bfloat16"]
    assert json.loads(file.read_text())["precision"] == "float32"


@pytest.fixture
def clothing_prefix(assets, make_prefix):
    """Makes MobileNetV2 on clothing, asked for bfloat16."""
    dataset = load_dataset(str(assets / "datasets" / "clothing"))
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    train = dataset.splits["train"]

    def make(image_size, **settings):
        classifier = build_classifier(
            "MobileNetV2",
            class_names=dataset.class_names,
            weights=str(assets / "keras_home" / "models" / name),
            image_size=image_size,
        )
        prefix = make_prefix(
            classifier=classifier,
            cut="top",
            train=train,
            precision="bfloat16",
            **settings,
        )
        size = (image_size, image_size)
        prefix.network.read = ViewReader(train, size, prefix.plain)
        return prefix

    return make


@pytest.fixture(params=["rounding", "auto"])
def bfloat16_engine(request, add_engine, monkeypatch):
    """Rounding on any processor, or the processor's own: (name, size)."""
    if request.param == "auto":
        request.getfixturevalue("needs_bfloat16")
        return "auto", 160
    add_engine("rounding", build_rounding)
    monkeypatch.setattr("tlkeras.features.engine_choice.GATE_IMAGES", 64)
    return "rounding", 96


@pytest.mark.assets
def test_the_gate_refuses_bfloat16_for_mobilenetv2_on_clothing(
    bfloat16_engine, clothing_prefix
):
    engine, image_size = bfloat16_engine
    console = Lines()
    prefix = clothing_prefix(image_size, console=console, engine=engine)
    assert prefix.precision == "float32"
    assert "bfloat16 is refused" in console.text
    assert workdir.cache_directory().exists()
