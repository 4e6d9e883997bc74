"""A directory of a store is whole at every moment, and goes on anywhere."""

import pytest

from tests.web_server import serving
from tlkeras import (
    remote,
    remote_directory,
    remote_listing,
    remote_output,
    workdir,
)
from tlkeras.errors import InputError
from tlkeras.remote_directory import (
    commit,
    commit_part,
    helping_in,
    refresh,
    working_in,
)
from tlkeras.remote_output import publishing


class KilledError(BaseException):
    """As if the process were gone."""


@pytest.fixture
def url(memory_url):
    return f"{memory_url}/runs/first"


@pytest.fixture
def enter(tmp_path, url):
    """Works there as a process on some machine does."""

    def enter(machine="here", **options):
        return working_in(url, tmp_path / machine, **options)

    return enter


def write(directory, name, text):
    (directory / name).parent.mkdir(parents=True, exist_ok=True)
    workdir.write_text(directory / name, text)


def read(directory):
    """Name -> text of all files."""
    return {
        path.relative_to(directory).as_posix(): path.read_text()
        for path in directory.rglob("*")
        if path.is_file()
    }


def read_store(url):
    return {
        file.name: remote.read_bytes(file.url).decode()
        for file in remote_listing.list_files(url)
    }


def write_epoch(directory, number):
    """What an epoch of a run leaves: new weights, then the state of them."""
    write(directory, "config.json", "config")
    write(directory, "history.csv", f"up to {number}")
    write(directory, f"checkpoints/best-{number}.npz", f"weights {number}")
    write(directory, "checkpoints/state.npz", str(number))
    (directory / f"checkpoints/best-{number - 1}.npz").unlink(missing_ok=True)


def test_another_machine_finds_what_was_done(enter, url):
    with enter() as directory:
        assert directory.name == "first"
        assert not list(directory.iterdir())
        write_epoch(directory, 1)
        write(directory, ".hidden", "stays here")
        write(directory, "members/0/.lock", "likewise")
    done = read_store(url)
    assert len(done) == 4
    with enter("there") as directory:
        assert read(directory) == done


def test_a_commit_uploads_and_removes(enter, url):
    with enter() as directory:
        write_epoch(directory, 1)
        commit(directory / "checkpoints")
        write_epoch(directory, 2)
        commit_part(directory / "history.csv")
        assert read_store(url)["history.csv"] == "up to 2"
        assert read_store(url)["checkpoints/state.npz"] == "1"
        commit(directory)
        assert read_store(url) == read(directory)
        assert "checkpoints/best-1.npz" not in read_store(url)
        commit(directory.parent)  # of something else
    commit(directory)  # of a directory that no one works in


def test_only_what_changed_travels(enter, monkeypatch):
    moved = []
    for name, home in {
        "fetch": remote_directory,
        "upload": remote_output,
    }.items():
        move = getattr(home, name)

        def count(*arguments, name=name, move=move):
            moved.append(name)
            move(*arguments)

        monkeypatch.setattr(home, name, count)
    with enter() as directory:
        write_epoch(directory, 1)
    assert moved == ["upload"] * 4
    with enter() as directory:
        write(directory, "result.json", "{}")
    assert moved == ["upload"] * 5
    with enter("there"):
        pass
    assert moved == ["upload"] * 5 + ["fetch"] * 5


@pytest.mark.parametrize("num_uploads", range(6))
def test_a_kill_between_two_uploads_leaves_a_commit(
    enter, url, monkeypatch, num_uploads
):
    with enter() as directory:
        write_epoch(directory, 1)
    left = [num_uploads]

    def or_die(do):
        def act(*arguments):
            if not left[0]:
                raise KilledError
            left[0] -= 1
            do(*arguments)

        return act

    def end_the_run():
        with enter() as directory:
            write_epoch(directory, 2)
            write(directory, "result.json", "{}")

    with monkeypatch.context() as patch:
        for name in ("upload", "remove"):
            change = or_die(getattr(remote_output, name))
            patch.setattr(remote_output, name, change)
        with pytest.raises(KilledError):
            end_the_run()
    # Neither this machine nor another one finds less than a whole commit.
    for machine in ("there", "here"):
        with enter(machine) as directory:
            found = read(directory)
            epoch = found["checkpoints/state.npz"]
            weights = found[f"checkpoints/best-{epoch}.npz"]
            assert weights == f"weights {epoch}"
            assert epoch == "2" or "result.json" not in found
            assert found["config.json"] == "config"
    with enter("there") as directory:
        write_epoch(directory, 2)
        commit(directory)
        write(directory, "result.json", "{}")
    assert set(read_store(url)) == {
        *("config.json", "history.csv", "result.json"),
        *("checkpoints/state.npz", "checkpoints/best-2.npz"),
    }


def test_the_first_upload_is_what_a_run_begins_with(enter, monkeypatch):
    order = []
    upload = remote_output.upload
    monkeypatch.setattr(
        remote_output,
        "upload",
        lambda path, url: (order.append(path.name), upload(path, url)),
    )
    names = ["a.txt", "config.json", "result.json", "checkpoints/state.npz"]
    with enter() as directory:
        for name in [*names, "1/saved_model.pb", "1/variables/v.data"]:
            write(directory, name, "")
    assert order[0] == "config.json"
    assert order[-3:] == ["state.npz", "saved_model.pb", "result.json"]


def test_what_was_not_uploaded_did_not_happen(enter, url):
    with enter() as directory:
        write_epoch(directory, 1)
    write_epoch(directory, 2)  # by a process that was killed
    with enter() as again:
        assert again == directory
        assert read(again) == read_store(url)


@pytest.mark.parametrize(
    "name", ["{here}/out.txt", "../out.txt", "a//b.txt", "a/../../b.txt"]
)
def test_a_name_in_a_store_never_leads_out_of_the_copy(
    enter, tmp_path, url, name
):
    (tmp_path / "f").write_text("hostile")
    remote.upload(tmp_path / "f", f"{url}/{name.format(here=tmp_path)}")
    with enter() as directory:
        assert not list(directory.rglob("*"))
    (tmp_path / "own").mkdir()
    with publishing(url, tmp_path / "own"):
        pass
    assert not [p for p in tmp_path.rglob("*.txt") if p.name != "f"]


def test_the_index_may_be_lost_or_damaged(enter, tmp_path, url):
    with enter() as directory:
        write_epoch(directory, 1)
    for text in ("{", "[1]", '{"config.json": 3}'):
        (tmp_path / "here" / remote_directory.INDEX).write_text(text)
        with enter() as directory:
            assert read(directory) == read_store(url)


def test_two_writers_are_told_apart(enter, tmp_path, url):
    with (
        enter(),
        pytest.raises(InputError, match="Another process of this machine"),
    ):
        enter().__enter__()
    with enter() as directory:
        write_epoch(directory, 1)
    with enter() as directory:
        with enter("there") as there:
            write_epoch(there, 2)
        write_epoch(directory, 3)
        with pytest.raises(InputError, match="changed by somebody else"):
            commit(directory)
    assert read_store(url)["checkpoints/state.npz"] == "2"


def test_a_helper_writes_its_own_part_beside_the_one_whose_it_is(
    enter, tmp_path, url
):
    def own_part(directory):
        return {k: v for k, v in read(directory).items() if "trial" in k}

    with enter() as directory:
        write(directory, "search.json", "search")
        commit(directory)
        with helping_in(url, tmp_path / "there") as there:
            assert not read(there)
            write(directory, "trials/1/trial.json", "begun")
            write(directory, "trials/10/trial.json", "begun")
            write(directory, "trials/10/history.csv", "not yet")
            commit_part(directory / "trials/1")
            commit_part(directory / "trials/10/trial.json")
            write(there, "trials/1/outcome.json", "ended")
            write(there, "search.json", "of no concern to others")
            write(there, "trials/10/unfinished", "likewise")
            commit(there)  # is not its own
            commit_part(there / "trials/1")
            refresh(there / "trials/10")
            assert own_part(there) == {
                "trials/1/outcome.json": "ended",
                "trials/10/trial.json": "begun",
                "trials/10/unfinished": "likewise",
            }
            write(directory, "trials/1/trial.json", "changed, not uploaded")
            refresh(directory / "trials/1")
            assert own_part(directory) == {
                "trials/1/outcome.json": "ended",
                "trials/1/trial.json": "changed, not uploaded",
                "trials/10/trial.json": "begun",
                "trials/10/history.csv": "not yet",
            }
            # One that overwrites what another one wrote is told.
            write(there, "trials/1/outcome.json", "otherwise")
            commit_part(there / "trials/1")
            write(directory, "trials/1/outcome.json", "once more")
            with pytest.raises(InputError, match="changed by somebody else"):
                commit_part(directory / "trials/1")
    assert read_store(url)["search.json"] == "search"
    assert "trials/10/unfinished" not in read_store(url)


def test_a_reader_uploads_nothing_and_keeps_what_it_made(enter, url):
    with enter() as directory:
        write_epoch(directory, 1)
    for _ in range(2):
        with enter(uploads=False) as directory:
            write(directory, "engine.json", "{}")
    assert (directory / "engine.json").exists()
    assert "engine.json" not in read_store(url)


def test_a_store_that_fails_is_told_once(enter, monkeypatch):
    calls = []

    def fail(path, url):
        calls.append(url)
        raise OSError(5, "the server answered 500; tried 5 times")

    monkeypatch.setattr(remote_output, "upload", fail)

    def work():
        with enter() as directory:
            write_epoch(directory, 1)
            commit(directory)

    with pytest.raises(InputError, match=r"cannot be written .*500.* goes on"):
        work()
    assert len(calls) == 1


def test_a_run_is_read_but_not_written_at_a_web_server(tmp_path):
    write_epoch(tmp_path / "www", 1)
    with serving(tmp_path / "www") as server:
        with working_in(server.url, tmp_path / "a", uploads=False) as directory:
            assert read(directory) == read(tmp_path / "www")
        with pytest.raises(InputError, match="Nothing can be written to"):
            working_in(server.url, tmp_path / "a").__enter__()
