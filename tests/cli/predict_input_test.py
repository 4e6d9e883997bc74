"""What `predict` takes, from Python and on the command line."""

import io
import os
import subprocess
import sys

import pytest

from tlkeras import load_run
from tlkeras.errors import InputError

from .conftest import run_command


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory, make_small_config):
    from tlkeras import train_and_evaluate

    directory = tmp_path_factory.mktemp("runs") / "run"
    fields = {
        "model.features_from": "conv_pw_1_relu",
        "phases.phase_order": ("linear_probe",),
        "checks.enabled": False,
        "report.enabled": False,
    }
    train_and_evaluate(make_small_config(fields), directory)
    return directory


@pytest.fixture(scope="module")
def run(run_directory):
    return load_run(run_directory)


@pytest.fixture
def photo(photo_folder):
    return sorted((photo_folder / "china").iterdir())[0]


@pytest.fixture
def predict(run_directory, monkeypatch, capfd):
    """Returns what runs the command in this process: exit code and lines."""

    def call(*arguments, lines=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        code = run_command("predict", f"--workdir={run_directory}", *arguments)
        return code, capfd.readouterr().out.splitlines()

    return call


def test_one_path_is_one_image(run, photo):
    for paths in (str(photo), photo, [photo], iter([photo]), (photo,)):
        (found,) = run.predict(paths)
        assert (found.path, found.error) == (str(photo), "")


def test_a_generator_is_taken_piece_by_piece(run, photo):
    taken = []

    def paths():
        for number in range(100):
            taken.append(number)
            yield photo

    predictions = run.predict(paths())
    next(predictions)
    assert len(taken) < 100
    assert len(list(predictions)) == 99


@pytest.mark.parametrize("stranger", [3, None, b"x.jpg", [["x.jpg"]]])
def test_what_is_no_path_is_named(run, stranger):
    with pytest.raises(InputError, match="expected the path of a file"):
        list(run.predict([stranger]))


def test_what_is_no_regular_file_is_not_read(run, photo, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    paths = [tmp_path / "pipe", "/dev/zero", tmp_path, "absent", photo]
    errors = [found.error for found in run.predict(paths)]
    assert errors[:3] == ["is no regular file"] * 3
    assert errors[3]
    assert not errors[4]


def test_paths_come_on_standard_input(predict, photo):
    code, rows = predict("-", lines=f"{photo}\n\n{photo}\nabsent\n")
    assert len(rows) == 4
    assert rows[1] == rows[2]
    assert code == 1  # one could not be read


def test_any_name_comes_on_standard_input(run_directory, photo, tmp_path):
    named = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    with open(named, "wb") as file:
        file.write(photo.read_bytes())
    names = b"\n".join([named, b"null\0byte.jpg", b"x" * 5000, named])
    (tmp_path / "names").write_bytes(names)
    command = [sys.executable, "-m", "tlkeras.cli.main", "predict", "-"]
    done = subprocess.run(
        [*command, f"--workdir={run_directory}"],
        stdin=(tmp_path / "names").open("rb"),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1, done.stderr[-500:]
    rows = done.stdout.splitlines()
    assert len(rows) == 5
    assert rows[1] == rows[4]
    assert b"cannot be read (embedded null byte)" in rows[2]


def test_a_reader_that_leaves_ends_it_quietly(run_directory, photo):
    code = (
        f"{sys.executable} -m tlkeras.cli.main predict "
        f"--workdir={run_directory} {photo} 2>&1 >&3 | cat >&2"
    )
    done = subprocess.run(
        ["bash", "-c", f"( {code} ) 3>&1 | true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_an_impossible_name_is_its_own_error(run, predict, photo):
    names = ["x" * 5000, "a\0b", str(photo)]
    errors = [found.error for found in run.predict(names)]
    assert [bool(error) for error in errors] == [True, True, False]
    code, rows = predict("x" * 5000, photo)
    assert code == 1
    assert len(rows) == 3
    _, rows = predict("-", lines=f"a\0b\n{photo}\n")
    assert len(rows) == 3
