"""What the gate refuses, and where that goes."""

import dataclasses
import os

import pytest

from tlkeras.evaluation.evaluate import read_test_looks
from tlkeras.evaluation.run import load_run
from tlkeras.exporters import export, gate
from tlkeras.exporters.export import export_run
from tlkeras.exporters.formats import FORMATS
from tlkeras.exporters.inference import build_served_model
from tlkeras.exporters.records import ExportRecord
from tlkeras.exporters.settings import ExportSettings
from tlkeras.report.text import format_export

from ..cli.conftest import run_command


def test_a_worse_file_goes_to_quarantine_and_exits_1(
    truncated, tmp_path, monkeypatch, capsys
):
    """The weights change between training and export."""

    def perturbed(run):
        served = build_served_model(load_run(run.directory))
        *others, kernel, bias = served.model.get_weights()
        served.model.set_weights([*others, -kernel, bias])
        return served

    monkeypatch.setattr(export, "build_served_model", perturbed)
    output = tmp_path / "photos"
    code = run_command(
        "export",
        f"--workdir={truncated}",
        f"--output={output}",
        "--formats=saved_model,float32",
        "--quiet",
    )
    assert code == 1
    assert "refused, accuracy drops by" in capsys.readouterr().out
    assert list(output.glob("[0-9]*")) == []
    refused = output / "quarantine" / "1"
    assert (refused / "saved_model" / "saved_model.pb").exists()
    assert (refused / "float32.tflite").exists()
    assert not (output / "tflite").exists()


def test_each_format_is_gated_alone(truncated, tmp_path, monkeypatch):
    verdicts = iter(["", "it is worse"])
    monkeypatch.setattr(gate, "judge", lambda *_: next(verdicts))
    settings = ExportSettings(formats=("float32", "float16"))
    record = export_run(truncated, tmp_path / "m", settings)
    assert record["formats"]["float32"]["path"] == "tflite/1/float32.tflite"
    assert record["formats"]["float16"]["path"] == "quarantine/1/float16.tflite"
    for row in record["formats"].values():
        assert (tmp_path / "m" / row["path"]).exists()


def test_int8_that_is_refused_is_tried_with_16_bits(
    truncated, tmp_path, monkeypatch
):
    monkeypatch.setattr(gate, "judge", lambda *_: next(verdicts))
    verdicts = iter(["it is worse", ""])
    settings = ExportSettings(formats=("int8",))
    record = export_run(truncated, tmp_path / "m", settings)
    assert list(record["formats"]) == ["int8", "int16x8"]
    assert record["formats"]["int8"]["instead"] == "int16x8"
    other = record["formats"]["int16x8"]
    assert other["path"] == "tflite/1/int16x8.tflite"
    assert other["drop"] <= 0.1


def test_all_files_of_a_refused_format_are_set_aside(
    truncated, tmp_path, monkeypatch
):
    pytest.importorskip("openvino", reason="an extra")
    monkeypatch.setattr(gate, "judge", lambda *_: "it is worse")
    settings = ExportSettings(formats=("openvino",))
    record = export_run(truncated, tmp_path / "m", settings)
    assert record["formats"]["openvino"]["path"] == "quarantine/1/model.xml"
    refused = tmp_path / "m" / "quarantine" / "1"
    assert {"model.xml", "model.bin"} <= set(os.listdir(refused))
    assert not (tmp_path / "m" / "openvino").exists()


def test_a_look_at_the_test_split_is_counted(truncated, tmp_path):
    before = len(read_test_looks(truncated))
    settings = ExportSettings(formats=("float32",), split="test", max_drop=0.0)
    record = export_run(truncated, tmp_path / "m", settings)
    assert record["split"] == "test"
    assert record["num_images"] == 8
    assert len(read_test_looks(truncated)) == before + 1


def test_a_converter_that_fails_costs_its_format_only(
    tmp_path, truncated, monkeypatch
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
    record = export_run(truncated, tmp_path / "m", settings)
    assert record["formats"]["float32"]["refused"] == ""
    row = record["formats"]["float16"]
    assert row["refused"] == "it cannot be written and run: no such operator"
    assert row["path"] == "quarantine/1/float16.tflite"
    assert (tmp_path / "m" / row["path"]).exists()
    text = format_export(ExportRecord.from_dict(record), tmp_path / "m")
    assert "float16: refused, it cannot be written" in text
