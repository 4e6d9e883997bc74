import pytest

from tlkeras import workdir
from tlkeras.errors import InputError


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "value.json"
    workdir.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        workdir.write_json(path, {"a": object()})

    def half_written():
        with workdir.replacing(path) as temporary:
            temporary.write_text("{")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_written()
    assert workdir.read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["value.json"]


def test_table_round_trip(tmp_path):
    path = tmp_path / "t.csv"
    workdir.write_table(path, ["a", "b"], [{"a": 1}, {"a": 2, "b": None}])
    assert workdir.read_table(path) == [
        {"a": "1", "b": ""},
        {"a": "2", "b": ""},
    ]
    assert workdir.read_table(tmp_path / "absent.csv") == []


def test_missing_and_corrupt_json_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        workdir.read_json(tmp_path / "absent.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match="is corrupt"):
        workdir.read_json(tmp_path / "bad.json")


def test_a_directory_below_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        workdir.make_directory(tmp_path / "file" / "x", what="work directory")
