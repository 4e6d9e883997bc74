"""No name of a file or a folder ends a command."""

import csv
import io
import json
import os
import shutil
import sys

import pytest

from tlkeras import workdir
from tlkeras.console import Console, log_to_file
from tlkeras.data.load import load_dataset

STRANGE = os.fsdecode(b"caf\xe9\xff")  # no UTF-8


@pytest.fixture(scope="module")
def strange(tmp_path_factory, photo_folder):
    """Photos of which folders and files have names that are no UTF-8."""
    root = tmp_path_factory.mktemp("names") / STRANGE
    shutil.copytree(photo_folder, root)
    (root / "china").rename(root / STRANGE)
    for path in sorted(root.glob("*/*")):
        path.rename(path.with_name(STRANGE + "," + path.name))
    (root / "flower" / f"{STRANGE}.jpg").write_text("damaged")
    return root


def test_a_run_on_such_names_goes_from_train_to_report(
    run, config_file, strange, tmp_path
):
    directory = tmp_path / "run"
    code, _, err = run(
        "train",
        f"--config={config_file}",
        f"--data={strange}",
        f"--workdir={directory}",
    )
    assert code == 0, err
    result = workdir.read_json(directory / workdir.RESULT)
    assert result["class_names"] == ["caf\\xe9\\xff", "flower"]
    listed = {str(path) for path in strange.glob("*/*.jpg")}
    ledger = workdir.read_json(directory / workdir.LEDGER)
    assert ledger["left_out"][0]["path"] in listed
    split = workdir.read_table(directory / workdir.SPLIT)
    assert len(split) == 80
    assert {row["path"] for row in split} < listed
    for name in ("evaluate", "report"):
        code, _, err = run(name, f"--workdir={directory}")
        assert code == 0, err
    code, out, err = run("predict", f"--workdir={directory}", str(strange))
    assert code == 1, err  # of the damaged file
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 81
    assert sum(bool(row["error"]) for row in rows) == 1


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
def test_codes_of_such_names_are_written(
    run, config_file, strange, tmp_path, suffix
):
    output = tmp_path / f"codes.{suffix}"
    code, _, err = run(
        "features",
        f"--config={config_file}",
        f"--data={strange}",
        f"--output={output}",
    )
    assert code == 0, err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_name_is_printed(run, monkeypatch, tmp_path, encoding):
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    handler = log_to_file(tmp_path / "log.txt")
    for name in (STRANGE, "\u732b", "na\u00efve"):
        Console().line(name)
        Console().result(name)
    handler.close()
    out.flush()
    assert len(out.buffer.getvalue().splitlines()) == 6
    text = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert "caf\\udce9" in text


@pytest.mark.parametrize("name", [STRANGE, "\u732b", 'a"b,c\nd'])
def test_names_survive_json_and_tables(tmp_path, name):
    workdir.write_json(tmp_path / "x.json", {"path": name})
    assert workdir.read_json(tmp_path / "x.json") == {"path": name}
    json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
    workdir.write_table(tmp_path / "x.csv", ["path"], [{"path": name}])
    assert workdir.read_table(tmp_path / "x.csv") == [{"path": name}]


def test_the_memory_of_a_source_takes_any_name(strange):
    assert len(load_dataset(str(strange)).splits) == 3


def test_a_work_directory_that_nothing_can_be_written_below_is_refused(
    run, config_file, photo_folder, tmp_path
):
    code, _, err = run(
        "train",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={tmp_path / STRANGE}",
    )
    assert code == 2
    assert "is no UTF-8; expected" in err
