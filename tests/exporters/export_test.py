import functools
import json
import shutil

import numpy as np
import pytest

from tlkeras.errors import InputError
from tlkeras.evaluation.run import load_run
from tlkeras.exporters.export import export_run
from tlkeras.exporters.formats import resolve_formats
from tlkeras.exporters.inference import build_served_model, check_class_names
from tlkeras.exporters.settings import ExportSettings
from tlkeras.exporters.versions import existing_versions

FEW = ("saved_model", "float32", "int8")
DEFAULTS = ["saved_model", "float32", "float16", "dynamic", "int8"]


def test_every_default_format_is_published_with_its_figures(exported, finished):
    record = json.loads((exported / "export.json").read_text())
    assert record == json.loads((finished / "export.json").read_text())
    assert record["version"] == 1
    assert list(record["formats"]) == DEFAULTS
    for name, row in record["formats"].items():
        assert row["refused"] == ""
        assert (exported / row["path"]).exists()
        assert row["num_bytes"] > 100_000
        assert 0 <= row["accuracy_interval"][0] <= row["accuracy"] <= 1
        assert row["operators"], name
    for name in ("saved_model", "float32"):
        assert record["formats"][name]["num_disagreements"] == 0
        assert record["formats"][name]["largest_probability_shift"] < 1e-5
    assert not (exported / "quarantine").exists()


def test_the_next_export_is_the_next_version(truncated, exported, tmp_path):
    output = tmp_path / "photos"
    shutil.copytree(exported, output)
    settings = ExportSettings(formats=("float32",), max_drop=0.0)
    assert export_run(truncated, output, settings)["version"] == 2
    assert (output / "tflite" / "2" / "float32.tflite").exists()
    assert [path.name for path in output.glob("[0-9]*")] == ["1"]


SLOW = functools.partial(pytest.param, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "fields",
    [
        {
            "model.head": "svm",
            "data.mean": "channel",
            "data.divide_by_std": True,
        },
        SLOW({"model.features_from": "stage3"}),
        SLOW({"model.head": "mlp", "phases.linear_probe.epochs": 2}),
        {"runtime.precision": "mixed_float16"},
    ],
    ids=lambda fields: "-".join(map(str, fields.values())),
)
def test_runs_of_every_kind_pass(train_run, tmp_path, fields):
    settings = ExportSettings(formats=FEW, max_drop=0.3)
    record = export_run(train_run(**fields), tmp_path / "m", settings)
    for name, row in record["formats"].items():
        assert row["refused"] == "", name
    mixed = "mixed_float16" in fields.values()
    for name in ("saved_model", "float32"):
        shift = record["formats"][name]["largest_probability_shift"]
        assert shift < (2e-2 if mixed else 1e-5)


def test_a_run_with_several_labels_passes(train_run, tmp_path, photo_folder):
    manifest = tmp_path / "photos.csv"
    lines = ["path,label"]
    for number, path in enumerate(sorted(photo_folder.rglob("*.jpg"))):
        extra = "|even" if number % 2 == 0 else ""
        lines.append(f"{path},{path.parent.name}{extra}")
    manifest.write_text("\n".join(lines))
    run = train_run(
        **{"data.source": str(manifest), "model.head": "multi_label"}
    )
    settings = ExportSettings(formats=FEW, max_drop=0.3)
    record = export_run(run, tmp_path / "m", settings)
    assert list(record["formats"]) == list(FEW)
    assert all(not row["refused"] for row in record["formats"].values())
    shift = record["formats"]["float32"]["largest_probability_shift"]
    assert shift < 1e-5


def test_other_runtimes_pass_the_same_gate(truncated, tmp_path):
    for package in ("onnxruntime", "tf2onnx", "openvino"):
        pytest.importorskip(package, reason=f"{package} is an extra")
    settings = ExportSettings(formats=("onnx", "openvino"), max_drop=0.0)
    record = export_run(truncated, tmp_path / "m", settings)
    assert (tmp_path / "m" / "openvino" / "1" / "model.bin").exists()
    for name, row in record["formats"].items():
        assert row["refused"] == ""
        assert row["largest_probability_shift"] < 1e-5, name
        assert (tmp_path / "m" / row["path"]).exists()
        assert row["operators"]
        assert row["num_bytes"] > 10_000
    assert existing_versions(tmp_path / "m") == {1}


def test_a_format_without_its_packages_is_refused(finished, monkeypatch):
    from importlib import util

    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'tlkeras\[onnx\]'"):
        resolve_formats(["onnx"])


def test_calibration_images_are_of_the_training_split(finished):
    from tlkeras.exporters.job import Job

    run = load_run(finished)
    dataset = run.load_dataset("validation")
    job = Job(run, build_served_model(run), dataset, "m", 1, 10)
    train = Job(run, job.served, dataset, "m", 1, 1000).calibration_images()
    images = job.calibration_images()
    assert images.shape == (10, 32, 32, 3)
    assert len(train) == len(dataset.splits["train"])
    assert all((image == train).all((1, 2, 3)).any() for image in images)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["saved_model", "tflite"], DEFAULTS),
        (["int8", "tflite"], ["int8", "float32", "float16", "dynamic"]),
    ],
)
def test_tflite_stands_for_all_of_its_kinds(names, expected):
    assert list(resolve_formats(names)) == expected


def test_bad_settings_are_refused(finished, tmp_path):
    with pytest.raises(InputError, match="format 'int4'"):
        export_run(finished, tmp_path, ExportSettings(formats=("int4",)))
    with pytest.raises(InputError, match="max_drop=2"):
        ExportSettings(max_drop=2)
    with pytest.raises(InputError, match="split 'train'"):
        ExportSettings(split="train")


@pytest.mark.parametrize("name", ["my photos", "7", "ö"])
def test_names_that_servers_cannot_take_are_refused(finished, tmp_path, name):
    with pytest.raises(InputError, match="cannot be a model's name"):
        export_run(finished, tmp_path / name)


def test_class_names_of_several_lines_are_refused():
    with pytest.raises(InputError, match="line break"):
        check_class_names(("a", "b\nc"))


def test_export_needs_a_finished_run(tmp_path):
    with pytest.raises(InputError, match="no run directory"):
        export_run(tmp_path, tmp_path / "m")


@pytest.mark.slow
@pytest.mark.parametrize(
    "backbone",
    [
        "MobileNetV2",
        "MobileNetV3Small",
        "EfficientNetV2B0",
        "ResNet50",
        "ConvNeXtTiny",
    ],
)
def test_networks_of_every_family_export(train_run, tmp_path, backbone):
    fields = {
        "model.backbone": backbone,
        "model.alpha": 1.0,
        "model.features_from": "",
        "model.weights": "none",
        "model.image_size": 64,
    }
    record = export_run(
        train_run(**fields), tmp_path / "m", ExportSettings(max_drop=1.0)
    )
    for row in record["formats"].values():
        assert row["refused"] == ""
    shifts = [
        record["formats"][name]["largest_probability_shift"]
        for name in ("saved_model", "float32")
    ]
    assert np.max(shifts) < 1e-3
