import numpy as np
import pytest

from tlkeras.data import builtin, textures


def test_textures_repeat_under_a_seed_and_differ_otherwise():
    first, again, other = (
        [
            image
            for image, _ in textures.draw_textures(
                drawings_per_texture=1, seed=seed
            )
        ]
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sources_are_of_equal_size():
    drawn = list(textures.draw_textures(drawings_per_texture=1))
    assert [name for _, name in drawn] == list(textures.TEXTURE_NAMES)
    assert {image.shape for image, _ in drawn} == {(32, 32)}
    names = (
        textures.TEXTURE_NAMES,
        builtin.LETTER_NAMES,
        builtin.GLYPH_NAMES,
    )
    assert {len(set(classes)) for classes in names} == {52}
    assert textures.DRAWINGS_PER_TEXTURE == builtin.DRAWINGS_PER_LETTER


def test_glyphs_hold_the_printed_digits():
    glyphs = set(builtin.GLYPH_NAMES)
    assert {f"digit_{digit}" for digit in range(10)} < glyphs
    assert len(glyphs & set(builtin.LETTER_NAMES)) == 42


@pytest.mark.parametrize("pattern", textures.PATTERNS)
def test_a_texture_varies_across_its_direction(pattern):
    """Direction 0 changes from column to column, much less from row to row."""
    images = np.stack(
        [
            image.astype(float)
            for image, name in textures.draw_textures(drawings_per_texture=8)
            if name == f"{pattern}_00"
        ]
    )
    across = np.abs(np.diff(images, axis=2)).mean()
    along = np.abs(np.diff(images, axis=1)).mean()
    assert across > 1.3 * along
