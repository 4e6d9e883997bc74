import numpy as np
import pytest
from PIL import Image

from tlkeras.checks.input_contract import decode_reference
from tlkeras.data.definition import FIRST, GREY, ImageDefinition
from tlkeras.data.placement import GEOMETRIES
from tlkeras.data.preprocess import decode_image
from tlkeras.errors import InputError

from .images import encode, exif_jpeg


def decode(content, geometry, size=(32, 32)):
    definition = ImageDefinition(geometry=geometry)
    return decode_image(content, *size, definition).numpy()


@pytest.fixture(scope="module")
def wide():
    """A photo twice as wide as high."""
    from sklearn.datasets import load_sample_image

    return Image.fromarray(load_sample_image("china.jpg")[:256, :512])


def test_a_square_is_the_same_in_every_geometry(wide):
    content = encode(wide.crop((0, 0, 200, 200)), "PNG")
    for geometry in GEOMETRIES:
        np.testing.assert_array_equal(
            decode(content, geometry), decode(content, "squash")
        )


def test_center_crop_is_the_squashed_middle(wide):
    middle = encode(wide.crop((128, 0, 384, 256)), "PNG")
    np.testing.assert_array_equal(
        decode(encode(wide, "PNG"), "center_crop"), decode(middle, "squash")
    )
    tall = wide.transpose(Image.Transpose.TRANSPOSE)
    middle = encode(tall.crop((0, 128, 256, 384)), "PNG")
    np.testing.assert_array_equal(
        decode(encode(tall, "PNG"), "center_crop"), decode(middle, "squash")
    )


def test_letterbox_is_the_whole_between_grey_bars(wide):
    content = encode(wide, "PNG")
    image = decode(content, "letterbox")
    np.testing.assert_array_equal(
        image[8:24], decode(content, "squash", (16, 32))
    )
    assert (image[:8] == GREY).all()
    assert (image[24:] == GREY).all()
    tall = encode(wide.transpose(Image.Transpose.ROTATE_90), "PNG")
    image = decode(tall, "letterbox")
    assert (image[:, :8] == GREY).all()
    assert (image[:, 24:] == GREY).all()


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("size", [(1, 900), (900, 1), (3, 2), (77, 501)])
def test_odd_shapes_fill_the_target(geometry, size):
    content = encode(Image.new("RGB", size, (9, 9, 9)), "PNG")
    image = decode(content, geometry)
    assert image.shape == (32, 32, 3)
    assert (image == 9).any()


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_another_library_agrees(tmp_path, wide, geometry, orientation):
    path = tmp_path / "photo.jpg"
    path.write_bytes(exif_jpeg(wide, orientation, quality=95))
    definition = ImageDefinition(geometry=geometry)
    (reference,) = decode_reference([str(path)], 64, definition).astype(int)
    image = decode_image(path.read_bytes(), 64, 64, definition).numpy()
    difference = np.abs(image.astype(int) - reference).mean()
    assert difference < 8
    turned = np.abs(np.rot90(image, 2).astype(int) - reference).mean()
    assert turned > 2 * difference


def test_version_1_squashes():
    with pytest.raises(InputError, match="second definition"):
        ImageDefinition(version=1, geometry="letterbox")
    assert FIRST.recipe == 1
    recipes = {ImageDefinition(geometry=name).recipe for name in GEOMETRIES}
    assert len({1, *recipes}) == 4
