"""Split files that people edit, and files that are too large to be images."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from tlkeras.cli.main import _run
from tlkeras.data.inspection import MAX_BYTES, inspect_file
from tlkeras.data.load import load_dataset, write_run_split
from tlkeras.errors import InputError


@pytest.fixture
def split_file(tmp_path, photo_folder):
    path = tmp_path / "split.csv"
    write_run_split(path, load_dataset(str(photo_folder)))
    return path


def test_usual_names_of_splits_keep_their_images(photo_folder, split_file):
    before = load_dataset(str(photo_folder), split_file=str(split_file))
    text = split_file.read_text().replace(",validation,", ",val,")
    split_file.write_text(text.replace(",test,", ",Holdout,"))
    after = load_dataset(str(photo_folder), split_file=str(split_file))
    assert after.fingerprint == before.fingerprint


@pytest.mark.parametrize("name", ["later", "", "tset", "3"])
def test_images_of_an_unknown_split_do_not_vanish(
    photo_folder, split_file, name
):
    text = split_file.read_text().replace(",validation,", f",{name},")
    split_file.write_text(text)
    with pytest.raises(InputError, match=f"Row .* has the split '{name}'"):
        load_dataset(str(photo_folder), split_file=str(split_file))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00digest", "has no rows"),
        (b"digest,path,split,moved\n\xff\xfe,x,nowhere,0\n", "Row 2|corrupt"),
        (b"digest,path,split,moved\nx," + b"y" * 200_000, "is corrupt"),
        (b"digest,path,split,moved\nx\n", "Row 2"),
        (b"digest,path,split,moved\n", "has no rows"),
        (b"", "has no rows"),
    ],
)
def test_a_file_that_is_none_is_named(
    photo_folder, split_file, content, message
):
    split_file.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_dataset(str(photo_folder), split_file=str(split_file))


@pytest.mark.parametrize("head", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_a_sparse_file_is_left_out_unread(tmp_path, photo_folder, head):
    folder = shutil.copytree(photo_folder, tmp_path / "photos")
    for size in (MAX_BYTES + 1, 3 * 2**30, 2**40):
        path = folder / "china" / f"{size}.png"
        with open(path, "wb") as file:
            file.write(head)
            file.truncate(size)
    left_out = load_dataset(str(folder)).ledger.left_out
    assert len(left_out) == 3
    assert all("MiB, above 512" in entry.reason for entry in left_out)
    assert inspect_file(left_out[0].path).problem == left_out[0].reason


def raise_by_python(arguments):
    raise MemoryError


def raise_by_numpy(arguments):
    np.empty(2**60, np.uint8)


def raise_by_tensorflow(arguments):
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")


@pytest.mark.parametrize(
    "exhaust", [raise_by_python, raise_by_numpy, raise_by_tensorflow]
)
def test_out_of_memory_is_one_sentence(capsys, exhaust):
    assert _run(exhaust, []) == 1
    assert "out of memory; lower" in capsys.readouterr().err


def test_other_errors_are_no_lack_of_memory():
    with pytest.raises(ZeroDivisionError):
        _run(lambda arguments: 1 // 0, [])


def test_a_split_file_of_other_images_is_refused(photo_folder, split_file):
    rows = split_file.read_text().splitlines()
    strangers = [rows[0], *(f"x{row[1:]}" for row in rows[1:])]
    split_file.write_text("\n".join(strangers))
    with pytest.raises(InputError, match="names none of the images"):
        load_dataset(str(photo_folder), split_file=str(split_file))


def test_an_image_in_two_splits_is_refused(photo_folder, split_file):
    text = split_file.read_text()
    row = next(line for line in text.splitlines() if ",train," in line)
    split_file.write_text(text + row.replace(",train,", ",test,") + "\n")
    with pytest.raises(InputError, match="has the split test for an image"):
        load_dataset(str(photo_folder), split_file=str(split_file))


@pytest.mark.parametrize("where", ["data.source", "data.split_file"])
def test_a_name_that_is_too_long_is_one_short_sentence(
    photo_folder, where, capsys
):
    given = {"data.source": str(photo_folder), where: "x" * 5000}

    def load(_):
        load_dataset(
            given["data.source"], split_file=given.get("data.split_file", "")
        )

    with pytest.raises(SystemExit) as end:
        _run(load, ["tlkeras"])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert "too long" in said
    assert len(said) < 400
