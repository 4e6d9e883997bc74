"""Values that somebody may write into a field of the config."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tlkeras.config.field import Field

Generator = np.random.Generator
NUMBERS = (
    *(0, -0.0, 1, -1, 2, 0.5, 1.5, -0.5, 1e-300, 5e-324, 1e308, -1e308),
    *(math.nan, math.inf, -math.inf, 2**31, 2**31 - 1, 2**63, -(2**63)),
    *(10**400, -(10**400), 10**5000, 0.1 + 0.2, 1 - 1e-16, 1 + 1e-15),
)
WORDS = (
    *("", " ", "auto", "none", "all", "None", "null", "True", "nan", "1e3"),
    *("-20", "-0", "-1e9", "0.3", "stage3", "stage99", "stage", "conv_pw_6"),
    *("../..", "/", "/dev/zero", "/proc/self/mem", ".", "~", "a/../b", "C:\\"),
    *("x" * 10_000, "\x1b[2J", "two\nlines", "\r", "\0", "\udce9", "\x9b"),
    *("日本", "a|b", "=1+1", "-", "--help", "{}", "%s%n", "${HOME}", "tfds:"),
    *("tfds:ImageFolder:", "tfds:x/y:1.0.0", "digits", "letters", "x.csv"),
    *("MobileNet", "ResNet50", "mobilenet", "imagenet", "head", "logits"),
    *("train", "train[:10%]", "٣", "\u202e", "\ud800", "'", '"', "\\"),
)


def _number(generator: Generator, row: Field) -> Any:
    return NUMBERS[generator.integers(len(NUMBERS))]


def _word(generator: Generator, row: Field) -> Any:
    return WORDS[generator.integers(len(WORDS))]


def _border(generator: Generator, row: Field) -> Any:
    """An end of the field's range, or just beside it."""
    if not row.limits:
        return _word(generator, row)
    end = row.limits[generator.integers(2)]
    near = (end, end - 1, end + 1, math.nextafter(end, -math.inf))
    more = (math.nextafter(end, math.inf), float(end), -end)
    return (*near, *more)[generator.integers(7)]


def _choice(generator: Generator, row: Field) -> Any:
    """A word that the field may be, or nearly."""
    known = (*row.choices, row.word) if row.choices or row.word else WORDS
    word = str(known[generator.integers(len(known))])
    near = (word, word.upper(), f"{word} ", word[:-1], f"{word}\n", word * 2)
    return near[generator.choice(6, p=(0.5, 0.1, 0.1, 0.1, 0.1, 0.1))]


def _plain(generator: Generator, row: Field) -> Any:
    """Another type altogether."""
    values = (None, True, False, b"bytes", {}, {"a": 1}, object, 1j, set())
    return values[generator.integers(len(values))]


def _random(generator: Generator, row: Field) -> Any:
    """A number of any size, whole or not."""
    number = generator.choice((-1, 1)) * 10.0 ** generator.uniform(-12, 12)
    return int(number) if generator.random() < 0.5 else float(number)


def _text(generator: Generator, row: Field) -> Any:
    length = int(10 ** generator.uniform(0, 3))
    codes = generator.integers(0, 0x250, length)
    return "".join(map(chr, codes))


def _nested(generator: Generator, row: Field) -> Any:
    """A tuple or list, perhaps of others."""
    items = [
        draw_value(generator, row, depth=0.3)
        for _ in range(generator.integers(0, 5))
    ]
    return tuple(items) if generator.random() < 0.7 else items


def _pair(generator: Generator, row: Field) -> Any:
    """Two or three numbers, as ranges and shares are."""
    numbers = generator.choice((0, 0.001, 0.15, 0.5, 0.7, 1, 2, 100), 3)
    return tuple(float(x) for x in numbers[: generator.integers(2, 4)])


Draw = Callable[[Generator, Field], Any]
# Kind of value -> how one is drawn, and how often.
KINDS: dict[str, tuple[Draw, float]] = {
    "number": (_number, 0.2),
    "word": (_word, 0.2),
    "border": (_border, 0.15),
    "choice": (_choice, 0.15),
    "random": (_random, 0.1),
    "plain": (_plain, 0.05),
    "text": (_text, 0.05),
    "pair": (_pair, 0.05),
    "nested": (_nested, 0.05),
}
_DRAWS = [draw for draw, _ in KINDS.values()]
_SHARES = np.cumsum([share for _, share in KINDS.values()])


def draw_value(generator: Generator, row: Field, *, depth: float = 1.0) -> Any:
    """Returns a hostile or borderline value for a field.

    Args:
        generator: Source of the draw.
        row: Of the table of fields.
        depth: Chance that a tuple may be drawn at all.
    """
    kind = int(np.searchsorted(_SHARES, generator.random() * _SHARES[-1]))
    draw = _DRAWS[min(kind, len(_DRAWS) - 1)]
    if draw is _nested and generator.random() > depth:
        draw = _number
    return draw(generator, row)
