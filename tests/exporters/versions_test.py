import errno
import os

import pytest

from tlkeras.errors import InputError
from tlkeras.exporters.versions import (
    choose_version,
    existing_versions,
    staging,
)


@pytest.fixture
def output(tmp_path):
    for name in ("2", "tflite/5", "quarantine/3", "notes", ".staging"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def test_the_next_version_follows_every_earlier_one(output):
    assert existing_versions(output) == {2, 3, 5}
    assert choose_version(output, None) == 6
    assert choose_version(output, 4) == 4


@pytest.mark.parametrize(
    ("version", "message"), [(5, "never overwritten"), (0, "at least 1")]
)
def test_impossible_versions_are_refused(output, version, message):
    with pytest.raises(InputError, match=message):
        choose_version(output, version)


def test_what_a_killed_export_left_is_removed(output):
    (output / ".staging" / "half").write_text("x")
    with staging(output) as folder:
        assert not list(folder.iterdir())
    assert not (output / ".staging").exists()


def test_two_exports_do_not_share_a_folder(output):
    with (
        staging(output),
        pytest.raises(InputError, match="Another export"),
        staging(output),
    ):
        pass


def test_an_error_leaves_nothing_behind(output):
    def fill():
        with staging(output) as folder:
            (folder / "half").write_text("x")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        fill()
    assert existing_versions(output) == {2, 3, 5}
    assert not (output / ".staging").exists()
