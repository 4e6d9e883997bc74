import pytest

from tlkeras import workdir
from tlkeras.data.builtin import publish_directory
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


def test_threads_and_processes_write_one_file_beside_each_other(tmp_path):
    """In containers on one cache each process has the id 1."""
    path = tmp_path / "value.json"
    with workdir.replacing(path) as first, workdir.replacing(path) as second:
        first.write_text("1")
        second.write_text("2")
    assert workdir.read_json(path) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["value.json"]


def test_a_data_set_that_two_write_at_once_is_whole(tmp_path):
    final = tmp_path / "digits-1"
    partials = [workdir.temporary_beside(final) for _ in range(2)]
    for partial in partials:
        partial.mkdir()
        (partial / "image.png").write_bytes(b"")
        publish_directory(partial, final)
    assert [p.name for p in tmp_path.iterdir()] == ["digits-1"]
    assert [p.name for p in final.iterdir()] == ["image.png"]


def test_what_killed_processes_left_is_removed(tmp_path):
    kept = tmp_path / "value.json"
    kept.write_text("{}")
    left = workdir.temporary_beside(kept)
    left.write_text("half")
    workdir.temporary_beside(tmp_path / "folder").mkdir()
    workdir.remove_leftovers(tmp_path, idle_seconds=60)
    assert left.exists()
    workdir.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [kept]


def test_leftovers_are_nobody_elses_files(tmp_path):
    """A kill, or a full disk, in the first moment leaves no dead end."""
    workdir.temporary_beside(tmp_path / "config.json").write_text("half")
    workdir.require_own(tmp_path, "config.json", what="run")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds other files.*or a run"):
        workdir.require_own(tmp_path, "config.json", what="run")


def test_a_directory_of_an_impossible_name_is_quoted_shortly(tmp_path):
    with pytest.raises(InputError, match="File name too long") as error:
        workdir.make_directory(tmp_path / ("x" * 5000), what="export folder")
    assert len(str(error.value)) < 500
