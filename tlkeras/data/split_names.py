"""What people call the splits of a data set."""

import re

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "eval": "validation",
    "test": "test",
    "testing": "test",
    "holdout": "test",
}
_AFFIX = r"(?:set|seg|data|dataset|images?|imgs?|split)"
_PATTERN = re.compile(
    rf"(?:{_AFFIX}[\W_]*)?"
    rf"({'|'.join(sorted(SPLIT_NAMES, key=len, reverse=True))})"
    rf"(?:[\W_]*{_AFFIX})?[\W_]*\d*[\W_]*"
)


def split_of(name: str) -> str | None:
    """Returns the split that a name means, in any case; None if it means none.

    Example:
    >>> split_of("Training"), split_of("seg_test"), split_of("trainer")
    ('train', 'test', None)
    """
    found = _PATTERN.fullmatch(name.strip().casefold())
    return SPLIT_NAMES[found.group(1)] if found else None
