import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from tlkeras.data.conversion import copy_as_png
from tlkeras.data.folder import list_folder, list_inputs
from tlkeras.data.inspection import digest_of, inspect_file
from tlkeras.data.load import load_dataset
from tlkeras.data.pipeline import decode_split
from tlkeras.data.preprocess import decode_image
from tlkeras.data.scan import scan

AB = ("a.tif", "b.tif")


@pytest.fixture
def photo(photo_crops):
    return Image.fromarray(photo_crops["china"][0])


def save(image, path, **options):
    if path.suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    if path.suffix == ".heic":
        heif = pytest.importorskip(
            "pillow_heif", reason="pillow-heif is not installed"
        )
        heif.from_pillow(image).save(path, quality=90)
    else:
        image.save(path, **options)
    return str(path)


@pytest.mark.parametrize("suffix", [".tif", ".avif", ".heic"])
def test_what_tensorflow_cannot_decode_has_a_copy(tmp_path, photo, suffix):
    path = save(photo, tmp_path / f"photo{suffix}")
    report = inspect_file(path)
    assert report.problem == ""
    copy = np.asarray(Image.open(report.copy).convert("RGB")).astype(int)
    assert np.abs(copy - np.asarray(photo)).mean() < 6
    assert inspect_file(path) == report


@pytest.mark.parametrize("suffix", [".tif", ".avif"])
def test_a_copy_is_upright(tmp_path, photo, suffix):
    exif = Image.Exif()
    exif[274] = 6
    report = inspect_file(save(photo, tmp_path / f"photo{suffix}", exif=exif))
    assert Image.open(report.copy).size == photo.size[::-1]
    assert not report.is_rotated


def test_heic_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    path = tmp_path / "photo.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    assert "install tlkeras[heif]" in inspect_file(str(path)).problem


def test_a_huge_tiff_is_not_decoded(tmp_path, photo):
    path = save(photo, tmp_path / "photo.tif")
    assert "more than data.max_pixels" in inspect_file(path, 100).problem


def test_16_bits_stay_and_32_are_refused(tmp_path, photo):
    grey = np.asarray(photo.convert("L")).astype(np.uint16) * 257
    path = save(Image.fromarray(grey), tmp_path / "deep.tif")
    np.testing.assert_array_equal(Image.open(inspect_file(path).copy), grey)
    path = save(photo.convert("F"), tmp_path / "float.tif")
    assert "32 bits" in inspect_file(path).problem


def test_a_copy_is_made_once(tmp_path, photo):
    buffer = io.BytesIO()
    photo.save(buffer, "TIFF")
    content = buffer.getvalue()
    path = copy_as_png(content, digest_of(content), 10**6)
    path.write_bytes(b"kept")
    assert copy_as_png(content, digest_of(content), 10**6) == path
    assert path.read_bytes() == b"kept"
    path.unlink()


def test_the_image_keeps_its_name_and_its_pixels(tmp_path, photo_crops):
    for name, crops in photo_crops.items():
        for folder, suffix in (("tiffs", "tif"), ("pngs", "png")):
            (tmp_path / folder / name).mkdir(parents=True)
            for number, crop in enumerate(crops[:8]):
                place = tmp_path / folder / name / f"{number}.{suffix}"
                Image.fromarray(crop).save(place)
    tiffs, _ = scan(
        list_folder(tmp_path / "tiffs"), on_bad_image="fail", num_workers=2
    )
    assert {example.path.rpartition(".")[2] for example in tiffs} == {"tif"}
    split = load_dataset(str(tmp_path / "tiffs")).splits["train"]
    images = decode_split(split, (32, 32), num_workers=2)
    assert all(path.endswith(".tif") for path in split.paths)
    for path, image in zip(split.paths, images, strict=True):
        png = path.replace("tiffs", "pngs").replace(".tif", ".png")
        other = inspect_file(png)
        assert other.copy == ""
        content = Path(png).read_bytes()
        np.testing.assert_array_equal(image, decode_image(content, 32, 32))


@pytest.mark.parametrize("kind", ["TIFF", "AVIF"])
def test_such_an_image_is_known_without_a_suffix(tmp_path, photo, kind):
    if kind == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    photo.save(tmp_path / "photo", kind)
    assert list_inputs([str(tmp_path)]) == [tmp_path / "photo"]
    assert inspect_file(str(tmp_path / "photo")).copy


def test_a_copy_needs_no_cache_that_can_be_written(
    tmp_path, photo, monkeypatch, capsys
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "file" / "cache"))
    photo.save(tmp_path / "a.tif")
    photo.rotate(90).save(tmp_path / "b.tif")
    copies = [inspect_file(str(tmp_path / name)).copy for name in AB]
    assert all(Path(copy).is_file() for copy in copies)
    assert [inspect_file(str(tmp_path / name)).copy for name in AB] == copies
    assert capsys.readouterr().err.count("TLKERAS_CACHE") == 1


def test_a_copy_that_cannot_be_written_is_named(tmp_path, photo, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))
    photo.save(tmp_path / "a.tif")
    monkeypatch.setattr(Path, "write_bytes", full)
    problem = inspect_file(str(tmp_path / "a.tif")).problem
    assert problem == "cannot be copied as PNG (No space left on device)"
