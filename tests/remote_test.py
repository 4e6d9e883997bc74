"""Files of stores: what they hold, and what is done when they fail."""

import sys
import time

import pytest

from tests.web_server import serving
from tlkeras import remote, remote_listing, stores
from tlkeras.data.folder_tree import read_remote_tree
from tlkeras.errors import InputError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "www"
    (folder / "cat").mkdir(parents=True)
    (folder / "cat" / "a b#é.jpg").write_bytes(b"0123456789" * 100)
    (folder / "notes.txt").write_bytes(b"notes")
    return folder


@pytest.fixture
def server(folder, monkeypatch):
    monkeypatch.setattr(stores, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(stores, "SILENCE_SECONDS", 0.2)
    monkeypatch.setattr(remote._Outages, "in_a_row", 0)
    with serving(folder) as server:
        yield server


@pytest.fixture(params=["memory", "s3", "http"])
def url(request, folder):
    """The folder's address in a store of each kind."""
    if request.param == "http":
        with serving(folder) as server:
            yield server.url
        return
    place = request.getfixturevalue(f"{request.param}_url")
    for path in folder.rglob("*.*"):
        name = path.relative_to(folder).as_posix()
        remote.upload(path, remote.join(place, name))
    yield place


def test_a_store_lists_and_gives_what_lies_in_it(url, tmp_path):
    files = remote_listing.list_files(url)
    assert [file.name for file in files] == ["cat/a b#é.jpg", "notes.txt"]
    assert [file.stamp[0] for file in files] == [1000, 5]
    assert remote.read_bytes(files[1].url, files[1].stamp) == b"notes"
    remote.fetch(files[0].url, tmp_path / "copy", files[0].stamp)
    assert (tmp_path / "copy").read_bytes() == b"0123456789" * 100
    assert remote_listing.look_up([f.url for f in files]) == [
        f.stamp for f in files
    ]
    assert remote_listing.look_up([remote.join(url, "absent")]) == [None]
    with pytest.raises(FileNotFoundError):
        remote.read_bytes(remote.join(url, "absent"))
    for name in ("nothing", "note", "ca"):  # of `notes.txt`, of `cat`
        assert remote_listing.list_files(remote.join(url, name)) == []
    (itself,) = remote_listing.list_files(files[1].url)
    assert itself.name == ""


def test_folder_by_folder_the_same_files_are_found(url):
    for place in (url, f"{url}/cat", f"{url}/notes.txt", f"{url}/nothing"):
        found = list(remote_listing.walk_files(place))
        files = remote_listing.list_files(place)
        assert sorted(found, key=lambda file: file.name) == files


def test_a_file_may_be_called_as_a_folder_of_a_bucket(s3_url, tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    names = ["a.jpg", *(f"{n}/{n}.jpg" for n in range(40)), "7", "a.jpg/b.jpg"]
    names += ["3//nameless.jpg"]
    for name in names:
        remote.upload(tmp_path / "f", f"{s3_url}/{name}")
    found = {file.name for file in remote_listing.walk_files(s3_url)}
    assert found == set(names)
    tree = read_remote_tree(s3_url)
    paths = [file.path for file in tree.walk() if not file.problem]
    assert sorted(paths) == sorted(
        f"{s3_url}/{name}" for name in names if name.endswith("jpg")
    )


def test_many_files_of_a_folder_are_looked_up_by_listing_it(
    memory_url, tmp_path, monkeypatch
):
    (tmp_path / "f").write_bytes(b"x")
    urls = [f"{memory_url}/{number}.jpg" for number in range(20)]
    for url in urls:
        remote.upload(tmp_path / "f", url)
    monkeypatch.setattr(remote_listing, "_ask_about", None)
    stamps = remote_listing.look_up([*urls, f"{memory_url}/absent.jpg"])
    assert all(stamps[:20])
    assert stamps[20] is None


def test_other_bytes_have_another_stamp(s3_url, tmp_path):
    path, url = tmp_path / "f", f"{s3_url}/f"
    path.write_bytes(b"1")
    remote.upload(path, url)
    before = remote_listing.look_up([url])
    remote.upload(path, url)
    assert remote_listing.look_up([url]) == before
    path.write_bytes(b"2")
    remote.upload(path, url)
    assert remote_listing.look_up([url]) != before
    remote.remove(url)
    assert remote_listing.look_up([url]) == [None]
    remote.remove(url)  # again


@pytest.mark.parametrize("fault", [500, 503, 429, "reset", "half", "slow"])
def test_what_passes_is_tried_again(server, fault):
    server.faults["/notes.txt"] = [fault, fault]
    assert remote.read_bytes(f"{server.url}/notes.txt") == b"notes"
    assert server.requests["/notes.txt"] == 3


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (500, "the server answered 500"),
        ("reset", "Disconnected|reset"),
        ("half", "Payload"),
    ],
)
def test_what_does_not_pass_ends_and_is_told(server, fault, words):
    server.faults["/notes.txt"] = [fault] * 99
    with pytest.raises(OSError, match=rf"({words}).*; tried 5 times"):
        remote.read_bytes(f"{server.url}/notes.txt")
    # Where a connection breaks, aiohttp itself asks a second time.
    num_each = 2 if fault == "reset" else 1
    assert server.requests["/notes.txt"] == num_each * stores.ATTEMPTS


def test_no_attempt_begins_past_the_time_for_it(server, monkeypatch):
    monkeypatch.setattr(stores, "LAST_ATTEMPT_SECONDS", 0)
    server.faults["/notes.txt"] = [500] * 99
    with pytest.raises(OSError, match="tried 1 times"):
        remote.read_bytes(f"{server.url}/notes.txt")


def test_pauses_grow_and_differ():
    pauses = [stores._pause(attempt) for attempt in (1, 2, 3, 4)]
    for attempt, pause in enumerate(pauses):
        longest = stores.FIRST_PAUSE_SECONDS * 2**attempt
        assert longest / 2 <= pause <= longest
    assert stores._pause(3) != stores._pause(3)


def test_half_a_body_without_a_length_is_known_by_the_listing(server):
    url = f"{server.url}/notes.txt"
    with pytest.raises(OSError, match=r"5 of 6 bytes came; tried 5 times"):
        remote.read_bytes(url, (6, "tag"))


def test_a_store_that_is_down_is_given_up(server):
    names = [f"/{number}.jpg" for number in range(remote.OUTAGE)]
    for name in names:
        server.faults[name] = [500] * 99
    for name in names[:-1]:
        with pytest.raises(OSError, match="500"):
            remote.read_bytes(server.url + name)
    with pytest.raises(InputError, match="8 files in a row could not be read"):
        remote.read_bytes(server.url + names[-1])
    assert sum(server.requests.values()) == remote.OUTAGE * stores.ATTEMPTS


def test_a_refusal_is_not_tried_again(server):
    server.faults["/notes.txt"] = [403, 401]
    with pytest.raises(PermissionError, match="answered 403; not permitted"):
        remote.read_bytes(f"{server.url}/notes.txt")
    with pytest.raises(InputError, match=r"may not be used .*credentials"):
        remote.read_bytes(f"{server.url}/notes.txt")
    assert server.requests["/notes.txt"] == 2


def test_a_list_that_is_refused_is_told(server):
    server.faults["/cat/"] = [403]
    with pytest.raises(InputError, match=r"may not be used .*403"):
        remote_listing.list_files(server.url)


def test_a_page_that_fails_is_no_empty_folder(server):
    server.faults["/cat/"] = [500] * 99
    with pytest.raises(InputError, match=r"/cat/' cannot be reached .*500"):
        remote_listing.list_files(server.url)


def test_a_link_to_nothing_is_told(server):
    server.faults["/cat/"] = [404]
    with pytest.raises(InputError, match="is linked to but does not exist"):
        remote_listing.list_files(server.url)


def test_a_bucket_that_does_not_exist_is_told(s3_url):
    with pytest.raises(InputError, match=r"bucket of .* does not exist"):
        remote_listing.list_files("s3://no-such-bucket/photos")


def test_credentials_that_are_missing_are_told(s3_url, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    begun = time.monotonic()
    with pytest.raises(InputError, match=r"may not be used .*credentials"):
        remote_listing.list_files(s3_url)
    assert time.monotonic() - begun < stores.SILENCE_SECONDS


def test_an_unknown_scheme_is_told():
    with pytest.raises(InputError, match="Unknown scheme of an address 'ft"):
        remote_listing.list_files("ftps://host/photos")


def test_a_missing_package_is_told_with_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(InputError, match=r"pip install 'tlkeras\[cloud\]'"):
        remote_listing.list_files("gs://bucket/photos")


def test_nothing_is_written_to_the_web():
    stores.require_writable("s3://bucket/run")
    with pytest.raises(InputError, match="Nothing can be written to 'https:"):
        stores.require_writable("https://host/run")
