import dataclasses
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from tlkeras.errors import InputError
from tlkeras.evaluation.evaluate import read_test_looks
from tlkeras.evaluation.run import load_run
from tlkeras.exporters import export, saved_model
from tlkeras.exporters.export import (
    ExportSettings,
    check_class_names,
    export_run,
)
from tlkeras.exporters.formats import FORMATS, resolve_formats
from tlkeras.exporters.inference import build_served_model
from tlkeras.exporters.versions import existing_versions
from tlkeras.report.text import format_export

FEW = ExportSettings(formats=("saved_model", "float32"), max_drop=0.0)


DEFAULTS = ["saved_model", "float32", "float16", "dynamic", "int8"]


def numbered(output):
    """Every version directory that a server would load."""
    return [path for path in output.iterdir() if path.name.isdecimal()]


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


def test_the_next_export_is_the_next_version(finished, exported, tmp_path):
    output = tmp_path / "photos"
    shutil.copytree(exported, output)
    settings = ExportSettings(formats=("float32",), max_drop=0.0)
    assert export_run(finished, output, settings)["version"] == 2
    assert (output / "tflite" / "2" / "float32.tflite").exists()
    assert [path.name for path in numbered(output)] == ["1"]


@pytest.mark.parametrize(
    "fields",
    [
        {"model.head": "svm"},
        {"model.features_from": "stage3"},
        {"model.head": "mlp", "phases.linear_probe.epochs": 2},
        {"runtime.precision": "mixed_float16"},
        {"data.mean": "channel", "data.divide_by_std": True},
    ],
    ids=lambda fields: "-".join(map(str, fields.values())),
)
def test_runs_of_every_kind_pass(train_run, tmp_path, fields):
    formats = ("saved_model", "float32", "int8")
    settings = ExportSettings(formats=formats, max_drop=0.3)
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
    record = export_run(run, tmp_path / "m", ExportSettings(max_drop=0.3))
    assert all(not row["refused"] for row in record["formats"].values())
    shift = record["formats"]["float32"]["largest_probability_shift"]
    assert shift < 1e-5


def test_a_worse_file_goes_to_quarantine_and_exits_1(
    finished, tmp_path, monkeypatch, capsys
):
    """The weights change between training and export."""

    def perturbed(run):
        served = build_served_model(load_run(run.directory))
        *others, kernel, bias = served.model.get_weights()
        served.model.set_weights([*others, -kernel, bias])
        return served

    from tlkeras.cli.main import main

    monkeypatch.setattr(export, "build_served_model", perturbed)
    output = tmp_path / "photos"
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "tlkeras",
                "export",
                f"--workdir={finished}",
                f"--output={output}",
                "--formats=saved_model,float32",
                "--quiet",
            ]
        )
    assert ended.value.code == 1
    assert "refused, accuracy drops by" in capsys.readouterr().out
    assert numbered(output) == []
    refused = output / "quarantine" / "1"
    assert (refused / "saved_model" / "saved_model.pb").exists()
    assert (refused / "float32.tflite").exists()
    assert not (output / "tflite").exists()


def test_each_format_is_gated_alone(finished, tmp_path, monkeypatch):
    verdicts = iter(["", "it is worse"])
    monkeypatch.setattr(export, "judge", lambda *_: next(verdicts))
    settings = ExportSettings(formats=("float32", "float16"))
    record = export_run(finished, tmp_path / "m", settings)
    assert record["formats"]["float32"]["path"] == "tflite/1/float32.tflite"
    assert record["formats"]["float16"]["path"] == "quarantine/1/float16.tflite"
    for row in record["formats"].values():
        assert (tmp_path / "m" / row["path"]).exists()


def test_int8_that_is_refused_is_tried_with_16_bits(
    finished, tmp_path, monkeypatch
):
    monkeypatch.setattr(export, "judge", lambda *_: next(verdicts))
    verdicts = iter(["it is worse", ""])
    settings = ExportSettings(formats=("int8",))
    record = export_run(finished, tmp_path / "m", settings)
    assert list(record["formats"]) == ["int8", "int16x8"]
    assert record["formats"]["int8"]["instead"] == "int16x8"
    other = record["formats"]["int16x8"]
    assert other["path"] == "tflite/1/int16x8.tflite"
    assert other["drop"] <= 0.1


def test_other_runtimes_pass_the_same_gate(finished, tmp_path):
    for package in ("onnxruntime", "tf2onnx", "openvino"):
        pytest.importorskip(package, reason=f"{package} is an extra")
    settings = ExportSettings(formats=("onnx", "openvino"), max_drop=0.0)
    record = export_run(finished, tmp_path / "m", settings)
    assert (tmp_path / "m" / "openvino" / "1" / "model.bin").exists()
    for name, row in record["formats"].items():
        assert row["refused"] == ""
        assert row["largest_probability_shift"] < 1e-5, name
        assert (tmp_path / "m" / row["path"]).exists()
        assert row["operators"]
        assert row["num_bytes"] > 500_000
    assert existing_versions(tmp_path / "m") == {1}


def test_all_files_of_a_refused_format_are_set_aside(
    finished, tmp_path, monkeypatch
):
    pytest.importorskip("openvino", reason="an extra")
    monkeypatch.setattr(export, "judge", lambda *_: "it is worse")
    settings = ExportSettings(formats=("openvino",))
    record = export_run(finished, tmp_path / "m", settings)
    assert record["formats"]["openvino"]["path"] == "quarantine/1/model.xml"
    refused = tmp_path / "m" / "quarantine" / "1"
    assert {"model.xml", "model.bin"} <= set(os.listdir(refused))
    assert not (tmp_path / "m" / "openvino").exists()


def test_a_format_without_its_packages_is_refused(finished, monkeypatch):
    from importlib import util

    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'tlkeras\[onnx\]'"):
        resolve_formats(["onnx"])


def test_a_look_at_the_test_split_is_counted(finished, tmp_path):
    before = len(read_test_looks(finished))
    settings = ExportSettings(formats=("float32",), split="test", max_drop=0.0)
    record = export_run(finished, tmp_path / "m", settings)
    assert record["split"] == "test"
    assert record["num_images"] == 8
    assert len(read_test_looks(finished)) == before + 1


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


KILLED = """
import sys
from tlkeras.exporters.export import ExportSettings, export_run
settings = ExportSettings(formats=("saved_model", "float32"), max_drop=0.0)
export_run(sys.argv[1], sys.argv[2], settings)
"""


def start_export(finished, output, **options):
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(finished), str(output)],
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_killed_export_leaves_no_half_version(finished, tmp_path):
    output = tmp_path / "photos"
    output.mkdir()
    staging = output / ".staging"
    for stop in ("saved_model", "saved_model/saved_model.pb", "tflite"):
        process = start_export(finished, output)
        while process.poll() is None and not (staging / stop).exists():
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for version in numbered(output):
            assert (version / "model_info.json").exists(), stop
            assert (version / "assets.extra").exists(), stop
    killed = existing_versions(output)
    record = export_run(finished, output, FEW)
    assert record["version"] == max(killed, default=0) + 1
    assert not staging.exists()


def test_a_full_disk_gives_one_sentence_and_no_version(finished, tmp_path):
    def limit_file_size():
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    output = tmp_path / "photos"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tlkeras.cli.main",
            "export",
            f"--workdir={finished}",
            f"--output={output}",
        ],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit_file_size,
    )
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1, errors
    (sentence,) = [x for x in errors.splitlines() if x.startswith("tlkeras:")]
    assert "the system says" in sentence
    assert "File too large" in sentence
    assert existing_versions(output) == set()
    assert sorted(os.listdir(output)) == [".lock"]


def test_warm_up_requests_on_a_full_disk(tmp_path, finished, monkeypatch):
    """TensorFlow's writer raises an error of its own."""

    def full(*_):
        raise tf.errors.OutOfRangeError(None, None, "File too large")

    monkeypatch.setattr(saved_model, "write_warmup", full)
    with pytest.raises(OSError, match="File too large"):
        export_run(finished, tmp_path / "m", FEW)
    assert existing_versions(tmp_path / "m") == set()


def test_a_disk_that_fills_at_the_end_publishes_nothing(
    tmp_path, finished, monkeypatch
):
    def full(folder):
        if folder.name == "saved_model":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = (finished / "export.json").read_text()
    monkeypatch.setattr(export, "flush", full)
    with pytest.raises(OSError, match="No space"):
        export_run(finished, tmp_path / "m", FEW)
    assert existing_versions(tmp_path / "m") == set()
    assert not (tmp_path / "m" / "export.json").exists()
    assert (finished / "export.json").read_text() == before


def test_a_converter_that_fails_costs_its_format_only(
    tmp_path, finished, monkeypatch
):
    def broken(job, path):
        path.write_bytes(b"half")
        raise RuntimeError("no such operator\ndetails")

    monkeypatch.setitem(
        FORMATS,
        "float16",
        dataclasses.replace(FORMATS["float16"], write=broken),
    )
    settings = ExportSettings(formats=("float32", "float16"), max_drop=0.0)
    record = export_run(finished, tmp_path / "m", settings)
    assert record["formats"]["float32"]["refused"] == ""
    row = record["formats"]["float16"]
    assert row["refused"] == "it cannot be written and run: no such operator"
    assert row["path"] == "quarantine/1/float16.tflite"
    assert (tmp_path / "m" / row["path"]).exists()
    text = format_export(record, tmp_path / "m")
    assert "float16: refused, it cannot be written" in text


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
