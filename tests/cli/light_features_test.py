"""`features` gives the same codes again without Keras."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tlkeras.config import get_config
from tlkeras.features.code_place import CodePlace
from tlkeras.features.openvino_engine import openvino_obstacle
from tlkeras.training import code_question
from tlkeras.training.code_question import ask_for_codes

from .conftest import run_command

WITHOUT_TENSORFLOW = """
import sys
for name in ("tensorflow", "keras"):
    sys.modules[name] = None  # an import fails
from tlkeras.cli.main import main
main(["tlkeras", "features", *sys.argv[1:]])
"""
TOP = CodePlace()
needs_openvino = pytest.mark.skipif(
    bool(openvino_obstacle()), reason="OpenVINO cannot be used here"
)


@pytest.fixture
def flags(config_file, photo_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))
    return [f"--config={config_file}", f"--data={photo_folder}"]


@pytest.fixture
def prepared(flags, tmp_path):
    """Flags of a command that was given once, and the codes that it wrote."""
    first = tmp_path / "first.npz"
    code = run_command("features", *flags, f"--output={first}")
    assert code == 0
    return flags, first


def run_light(*arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@needs_openvino
@pytest.mark.parametrize("executor", [[], ["--processes=2"]])
def test_the_second_command_needs_no_tensorflow(prepared, tmp_path, executor):
    flags, first = prepared
    second, store = tmp_path / "second.npz", tmp_path / "store"
    done = run_light(
        *flags,
        *executor,
        f"--output={second}",
        f"--config.features.store={store}",
    )
    assert done.returncode == 0, done.stderr
    assert "prepared by an earlier command" in done.stdout + done.stderr
    one, other = (dict(np.load(path)) for path in (first, second))
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
    # The store is the one that Keras would have filled.
    (kept,) = (tmp_path / "cache" / "activations").iterdir()
    assert kept.name in os.listdir(store)


@needs_openvino
def test_another_network_is_another_question(prepared, tmp_path):
    flags, _ = prepared
    done = run_light(
        *flags,
        f"--output={tmp_path / 'x.npz'}",
        "--config.model.features_from=conv_pw_2_relu",
    )
    assert done.returncode == 2
    assert "Keras cannot be imported" in done.stderr


@needs_openvino
def test_a_damaged_graph_is_made_again(prepared, tmp_path):
    flags, first = prepared
    (graph,) = (tmp_path / "cache" / "prepared").glob("bundles/*/graph.pb")
    graph.write_bytes(b"damaged")
    second = tmp_path / "second.npz"
    assert run_command("features", *flags, f"--output={second}") == 0
    np.testing.assert_array_equal(
        np.load(first)["codes"], np.load(second)["codes"]
    )
    assert graph.read_bytes() != b"damaged"


def test_what_images_decide_is_not_remembered(tmp_path, monkeypatch):
    def question(place=TOP, **fields):
        config = get_config()
        config.data.source = "photos"
        for name, value in fields.items():
            section, _, field = name.partition("__")
            config[section][field] = value
        return ask_for_codes(config, place)

    plain = question()
    assert plain
    assert question(data__source="others") == plain
    assert question(data__mean="channel") == ""
    assert question(features__precision="bfloat16") == ""
    assert question(runtime__precision="mixed_bfloat16") == ""
    assert question(features__cache="off") == ""
    assert question(model__backbone="hub:vit_tiny") == ""
    assert question(CodePlace(augmented_copies=2)) == ""
    (own := tmp_path / "own.keras").write_bytes(b"one")
    assert question(model__backbone=str(own)) == ""  # its contract is measured
    others = [
        question(CodePlace("block_2_add")),
        question(CodePlace(pooling="max")),
        question(model__image_size=96),
        question(runtime__engine="openvino"),
        question(data__geometry="letterbox"),
        question(model__weights=str(own)),
        question(model__backbone=str(own), model__contract="torch"),
    ]
    monkeypatch.setattr(code_question, "_hash_sources", lambda: "other")
    others.append(question())
    monkeypatch.setattr(code_question, "may_have_accelerator", lambda: True)
    assert question() == ""
    monkeypatch.undo()
    own.write_bytes(b"two")
    others.append(question(model__weights=str(own)))
    assert len({plain, *others}) == len(others) + 1
