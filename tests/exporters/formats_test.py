"""A format is one row."""

import keras
import numpy as np
import pytest

from tlkeras.exporters.export import export_run
from tlkeras.exporters.formats import FORMATS, Format
from tlkeras.exporters.inference import build_score_model
from tlkeras.exporters.runners import Runner
from tlkeras.exporters.settings import ExportSettings
from tlkeras.exporters.versions import existing_versions


class KerasRunner(Runner):
    note = "runs in Keras"

    def __init__(self, path):
        self.model = keras.saving.load_model(path, compile=False)

    def run(self, contents, images):
        return np.asarray(self.model(images.astype(np.float32)))

    def operators(self):
        return sorted({type(layer).__name__ for layer in self.model.layers})


class WrongRunner(KerasRunner):
    def run(self, contents, images):
        return super().run(contents, images)[:, ::-1]


@pytest.fixture
def add_format(monkeypatch):
    """Returns what adds a format of .keras files by one row."""

    def add(name, load, **fields):
        def write(job, path):
            build_score_model(job.served).save(path)
            path.with_suffix(".txt").write_text(job.name)

        row = Format(name, "scores.keras", write, load, **fields)
        monkeypatch.setitem(FORMATS, name, row)

    return add


def test_a_format_is_one_row(truncated, tmp_path, add_format):
    add_format("keras", KerasRunner)
    settings = ExportSettings(formats=("keras",), max_drop=0.0)
    output = tmp_path / "photos"
    record = export_run(truncated, output, settings)
    row = record["formats"]["keras"]
    assert row["refused"] == ""
    assert row["path"] == "keras/1/scores.keras"
    assert row["largest_probability_shift"] < 1e-6
    assert row["note"] == "runs in Keras"
    assert "Dense" in row["operators"]
    files = list((output / "keras" / "1").glob("scores.*"))
    assert len(files) == 2
    assert row["num_bytes"] == sum(path.stat().st_size for path in files)
    assert existing_versions(output) == {1}


def test_a_row_names_what_is_tried_in_its_place(
    truncated, tmp_path, add_format
):
    add_format("wrong", WrongRunner, instead="keras")
    add_format("keras", KerasRunner)
    settings = ExportSettings(formats=("wrong",), max_drop=0.0)
    output = tmp_path / "photos"
    rows = export_run(truncated, output, settings)["formats"]
    assert list(rows) == ["wrong", "keras"]
    assert "accuracy drops by" in rows["wrong"]["refused"]
    assert rows["wrong"]["path"] == "quarantine/1/scores.keras"
    assert rows["wrong"]["instead"] == "keras"
    assert (output / "quarantine" / "1" / "scores.txt").exists()
    assert not (output / "wrong").exists()
    assert rows["keras"]["path"] == "keras/1/scores.keras"
    assert (output / "keras" / "1" / "scores.keras").exists()


def test_one_format_is_what_servers_poll_for():
    assert [name for name, row in FORMATS.items() if row.is_served] == [
        "saved_model"
    ]
