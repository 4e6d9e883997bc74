"""What is written to a store goes up when it is finished."""

import pytest

from tests.remote_directory_test import read_store, write
from tlkeras import workdir
from tlkeras.errors import InputError
from tlkeras.remote_output import publishing


@pytest.fixture
def url(memory_url):
    return f"{memory_url}/models/photos"


def test_an_output_sees_the_versions_that_there_are(tmp_path, url):
    (tmp_path / "one").mkdir()
    with publishing(url, tmp_path / "one") as output:
        write(output, "1/variables/v.data", "weights")
        write(output, "1/saved_model.pb", "graph")
    (tmp_path / "two").mkdir()
    with publishing(url, tmp_path / "two") as output:
        assert [path.name for path in output.iterdir()] == ["1"]
        write(output, "2/saved_model.pb", "graph")
    assert set(read_store(url)) == {
        *("1/saved_model.pb", "1/variables/v.data", "2/saved_model.pb"),
    }


def test_an_output_may_be_one_file(tmp_path, url):
    with publishing(f"{url}/codes.npz", tmp_path) as output:
        workdir.write_text(output, "codes")
    assert read_store(url) == {"codes.npz": "codes"}


def test_two_exports_of_one_version_are_told_apart(tmp_path, url):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()

    def export_both():
        with publishing(url, tmp_path / "one") as first:
            with publishing(url, tmp_path / "two") as second:
                write(second, "1/saved_model.pb", "second")
            write(first, "1/saved_model.pb", "first")

    with pytest.raises(InputError, match="written by somebody else meanwhile"):
        export_both()
    assert read_store(url) == {"1/saved_model.pb": "second"}
