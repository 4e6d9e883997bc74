"""Names that no file can have, on the command line."""

import pytest

from .conftest import run_command


@pytest.mark.parametrize("name", ["x" * 1000, "日本" * 200], ids=range(2))
def test_a_work_directory_of_no_name_is_one_short_line(name, tmp_path, capfd):
    assert run_command("train", "--data=digits", f"--workdir={name}") == 2
    error = capfd.readouterr().err
    assert "is too long for a name" in error
    assert error.count("\n") == 1
    assert len(error) < 400


def test_a_bad_value_is_told_before_the_directory_is_named(capfd):
    assert run_command("train", f"--config.data.split_file={'x' * 1000}") == 2
    assert "data.split_file=" in capfd.readouterr().err
