"""Names of files and classes are anybody's: in terminals and spreadsheets."""

import csv
import io
import signal
import subprocess
import sys

import pytest

from tlkeras import workdir
from tlkeras.cli import main
from tlkeras.console import Console, complain, printable, warn
from tlkeras.evaluation.prediction import Prediction
from tlkeras.report.model_card import escape_markdown
from tlkeras.report.predictions import write_csv_predictions

HOSTILE = "a\x1b[2J\x07\x9bm\rb.jpg"


def test_no_control_reaches_a_terminal(capsys):
    for print_one in (Console().line, Console().result, warn, complain):
        print_one(HOSTILE)
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\x9b" not in out + err
    assert out.count(r"a\x1b[2J") == 2


def test_what_people_write_stays():
    for text in ("Zoë 日本 🐈", "two\nlines\tand a tab", "C:\\x1b"):
        assert printable(text) == text


def test_no_control_reaches_the_model_card():
    assert "\x1b" not in escape_markdown(HOSTILE)


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+cmd|x", "-2+3", "@SUM(A1)", "\t=1", "'=1", "''=1", "-", "=" * 9],
)
def test_no_cell_is_a_formula_and_all_come_back(tmp_path, cell):
    path = tmp_path / "t.csv"
    workdir.write_table(path, ["label"], [{"label": cell}])
    assert workdir.read_table(path) == [{"label": cell}]
    with open(path, newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["label"] == f"'{cell}"


@pytest.mark.parametrize("cell", ["-0.5", "+1e-7", "cat", "'quoted'", "a=b"])
def test_numbers_and_names_are_left_alone(tmp_path, cell):
    path = tmp_path / "t.csv"
    workdir.write_table(path, ["label", "x"], [{"label": cell, "x": "1"}])
    assert f"{cell},1" in path.read_text()
    assert workdir.read_table(path) == [{"label": cell, "x": "1"}]


def test_predictions_are_no_formulas_either():
    out = io.StringIO()
    found = [Prediction("=x.jpg", "@a", 0.5, (0.5, 0.5), "")]
    write_csv_predictions(found, ["@a", "b"], out)
    assert out.getvalue().splitlines()[1] == "'=x.jpg,'@a,0.500000,"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_a_command_with_one_line(name):
    code = (
        "import os, signal, sys, time, tlkeras.cli.main as m\n"
        f"signal.signal(signal.{name}, signal.SIG_DFL)\n"  # nohup ignores it
        "def wait(_):\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(60)\n"
        "m.import_frameworks = lambda **_: None\n"
        "sys.exit(m._run(wait, ['tlkeras']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + getattr(signal, name)
    (line,) = errors.splitlines()
    assert f"ended by {name}" in line


def test_no_memory_is_one_sentence(capsys, monkeypatch):
    def exhaust(_):
        raise MemoryError

    monkeypatch.setattr(main, "import_frameworks", lambda **_: None)
    assert main._run(exhaust, ["tlkeras"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "memory" in line
