"""The maps that an exported model serves, and the clients that draw them."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tlkeras.evaluation.run import load_run
from tlkeras.exporters.gate import judge
from tlkeras.exporters.inference import build_served_model
from tlkeras.exporters.records import Measurement
from tlkeras.exporters.rest import answer
from tlkeras.exporters.signatures import ClassifierModule

KIT = Path(__file__).parents[2] / "export"


def serve(saved, name, paths):
    contents = [Path(path).read_bytes() for path in paths]
    answers = saved.signatures[name](image_bytes=tf.constant(contents))
    return {key: value.numpy() for key, value in answers.items()}


def test_the_mean_of_the_served_map_is_the_logits(saved, finished, photos):
    answers = serve(saved, "heatmap", photos)
    count, _, _, classes = answers["heatmap"].shape
    assert (count, classes) == (len(photos), 2)
    mean = answers["heatmap"].mean((1, 2)).astype(np.float64)
    scores = np.exp(mean) / np.exp(mean).sum(-1, keepdims=True)
    plain = serve(saved, "serving_default", photos)
    np.testing.assert_allclose(scores, plain["probabilities"], atol=1e-5)
    for key in ("label", "score", "classes"):
        assert (answers[key] == plain[key]).all()


def test_the_gate_measures_the_maps(exported):
    record = json.loads((exported / "export.json").read_text())
    assert record["formats"]["saved_model"]["heatmap_shift"] < 1e-5
    assert record["formats"]["float32"]["heatmap_shift"] is None
    row = Measurement.from_dict(record["formats"]["saved_model"])
    assert judge(row, max_drop=1.0) == ""
    for shift in (0.01, float("nan")):
        wrong = dataclasses.replace(row, heatmap_shift=shift)
        assert "mean of its heat map" in judge(wrong, max_drop=1.0)


def test_an_export_of_before_has_no_maps(exported):
    record = json.loads((exported / "export.json").read_text())
    row = record["formats"]["saved_model"]
    del row["heatmap_shift"]
    assert Measurement.from_dict(row).heatmap_shift is None


def test_rest_answers_a_row_an_image(versions, photos):
    import base64

    rows = [
        {"b64": base64.b64encode(Path(path).read_bytes()).decode()}
        for path in photos
    ]
    body = json.dumps({"signature_name": "heatmap", "instances": rows})
    found = answer(versions, "POST", "/v1/models/photos:predict", body.encode())
    assert len(found["predictions"]) == len(photos)
    assert set(found["predictions"][0]) == {
        "heatmap",
        "classes",
        "label",
        "score",
    }


def test_an_output_without_maps_is_refused(photos):
    done = subprocess.run(
        [sys.executable, str(KIT / "client_rest.py"), "--output=x", photos[0]],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "needs --signature=heatmap" in done.stderr


def load_overlays():
    import importlib.util

    spec = importlib.util.spec_from_file_location(
        "overlays", KIT / "overlays.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_overlay_is_brightest_where_the_class_is():
    import io

    from PIL import Image

    overlays = load_overlays()
    buffer = io.BytesIO()
    Image.new("RGB", (80, 40), (90, 90, 90)).save(buffer, "PNG")
    maps = np.zeros((2, 4, 3))
    maps[1, 3, 2] = 9.0
    scores = overlays.score_cells(maps.tolist(), 2, several=False)
    assert np.argmax(scores) == 7
    assert overlays.score_cells(maps.tolist(), 2, several=True)[0][0] == 0.5
    content = overlays.draw_overlay(buffer.getvalue(), scores)
    with Image.open(io.BytesIO(content)) as picture:
        light = np.asarray(picture.convert("L"))[: picture.width // 2]
    row, column = divmod(int(light.argmax()), light.shape[1])
    assert row > light.shape[0] / 2
    assert column > light.shape[1] / 2


@pytest.mark.parametrize("geometry", ["squash", "center_crop", "letterbox"])
def test_the_clients_know_what_the_network_saw(geometry):
    from tlkeras.data.placement import seen_area

    for width, height in ((80, 40), (40, 80), (50, 50)):
        assert load_overlays().seen_area(
            width, height, geometry
        ) == pytest.approx(seen_area(height, width, 32, 32, geometry))


def test_hidden_layers_serve_no_map(train_run):
    directory = train_run(
        **{"model.head": "mlp", "phases.linear_probe.epochs": 2}
    )
    served = build_served_model(load_run(directory))
    assert not served.has_maps
    assert "heatmap" not in ClassifierModule(served).signatures()
