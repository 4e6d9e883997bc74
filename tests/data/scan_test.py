import shutil

import numpy as np
import pytest
from PIL import Image

from tlkeras.data.dataset import Example
from tlkeras.data.folder import list_folder
from tlkeras.data.inspection import inspect_bytes, inspect_file
from tlkeras.data.scan import scan
from tlkeras.errors import InputError


@pytest.fixture
def folder(tmp_path, photo_folder):
    shutil.copytree(photo_folder, tmp_path / "photos")
    return tmp_path / "photos"


def run_scan(folder, on_bad_image="skip"):
    return scan(list_folder(folder), on_bad_image=on_bad_image, num_workers=2)


def test_a_clean_folder_is_left_alone(folder):
    examples, ledger = run_scan(folder)
    assert len(examples) == 80
    assert not ledger.left_out
    assert all(e.digest for e in examples)


def test_damaged_files_are_named_with_their_reason(folder):
    good = (folder / "china" / "00.jpg").read_bytes()
    (folder / "china" / "empty.jpg").write_bytes(b"")
    (folder / "china" / "text.jpg").write_text("not an image")
    (folder / "china" / "truncated.jpg").write_bytes(good[: len(good) // 2])
    Image.new("RGB", (1, 1)).save(folder / "china" / "dot.png")
    examples, ledger = run_scan(folder)
    reasons = {e.path.rsplit("/")[-1]: e.reason for e in ledger.left_out}
    assert len(examples) == 80
    assert reasons["empty.jpg"] == "empty file"
    assert "not a JPEG" in reasons["text.jpg"]
    assert "damaged" in reasons["truncated.jpg"]
    assert reasons["dot.png"] == "only 1x1 pixels"
    with pytest.raises(InputError, match="is unusable"):
        run_scan(folder, on_bad_image="fail")


def test_copies_and_conflicts(folder):
    shutil.copy(folder / "china/00.jpg", folder / "china/copy.jpg")
    shutil.copy(folder / "china/01.jpg", folder / "flower/conflict.jpg")
    examples, ledger = run_scan(folder)
    reasons = {e.path.split("photos/")[-1]: e.reason for e in ledger.left_out}
    assert "duplicate of" in reasons["china/copy.jpg"]
    for path in ("china/01.jpg", "flower/conflict.jpg"):
        assert reasons[path] == "identical bytes under china and flower"
    assert len(examples) == 79


def test_of_copies_in_two_splits_the_held_out_one_stays(tmp_path, photo_folder):
    for split in ("train", "test"):
        shutil.copytree(photo_folder, tmp_path / split)
    examples, ledger = run_scan(tmp_path)
    assert {e.split for e in examples} == {"test"}
    assert len(ledger.left_out) == 80


def test_a_folder_of_rubbish_is_refused(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.jpg").write_text("rubbish")
    with pytest.raises(InputError, match="None of the 2 images can be read"):
        run_scan(tmp_path)


def test_orientation_is_counted(folder):
    image = Image.open(folder / "china" / "00.jpg")
    exif = Image.Exif()
    exif[274] = 6
    image.save(folder / "china" / "00.jpg", exif=exif)
    _, ledger = run_scan(folder)
    assert ledger.num_with_orientation == 1


def test_a_palette_bitmap_is_left_out(tmp_path):
    # TensorFlow's decoder would return palette indices as grey values.
    image = Image.fromarray(np.eye(8, dtype=np.uint8) * 255).convert("P")
    image.putpalette([255, 0, 0] * 256)
    image.save(tmp_path / "p.bmp")
    assert "palette" in inspect_file(str(tmp_path / "p.bmp")).problem


def test_a_missing_file_is_a_problem_not_an_exception():
    assert "cannot be read" in inspect_file("absent.jpg").problem
    assert inspect_bytes(b"").problem == "empty file"


def test_a_file_that_is_listed_twice_stays_once(photo_folder):
    path = str(photo_folder / "china" / "00.jpg")
    twice = [Example(path, ("china",)), Example(path, ("china",))]
    examples, ledger = scan(twice, on_bad_image="skip", num_workers=1)
    assert len(examples) == len(ledger.left_out) == 1


@pytest.mark.parametrize("size", [(2, 3), (7, 9), (8, 8)])
def test_a_tiny_jpeg_is_no_damaged_one(tmp_path, size):
    path = tmp_path / "tiny.jpg"
    Image.new("RGB", size).save(path)
    assert inspect_file(str(path)).problem == ""
