"""Whether files that follow one another, as of a film, lie in two splits."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from tlkeras.checks.result import PASS, SKIP, WARN, CheckResult
from tlkeras.data.dataset import Split

CLOSE = 2  # numbers apart
MIN_PAIRS = 5
ERRORS = 4.0  # standard errors above chance
MIN_TIMES = 2.0  # chance
NUMBER = re.compile(r"(\d+)\D*$")
FLAG = "--config.data.group_by"
# Folder and name without the last number, and that number.
Numbered = tuple[str, int]


def check_neighbouring_names(
    nearest: Sequence[tuple[Split, Split, np.ndarray]],
) -> CheckResult:
    """Counts images whose likest image of another split follows them by name.

    Frames of a film and photos of a burst do; where images do not belong
    together, the likest one does so by chance.

    Args:
        nearest: Two splits, and for each image of the second the place in the
            first of the one with the nearest code, int [N].
    """
    name = "neighbouring_names"
    if any(first.groups for first, _, _ in nearest):
        message = "Groups are set, and none lies in two splits."
        return CheckResult(name, SKIP, None, None, message)
    chances: list[float] = []
    seen: list[str] = []
    for first, second, places in nearest:
        names = [_numbered(path) for path in first.paths]
        known = Counter(names)
        folders = Counter(PurePath(path).parent.name for path in first.paths)
        for path, place in zip(second.paths, places.tolist(), strict=True):
            if not (own := _numbered(path)):
                continue
            in_folder = max(folders[PurePath(path).parent.name], 1)
            chances.append(min(_count_close(own, known) / in_folder, 1.0))
            if _is_close(own, names[place]):
                seen.append(f"{first.paths[place]} and {path}")
    expected = sum(chances)
    spread = math.sqrt(sum(chance * (1 - chance) for chance in chances))
    limit = max(MIN_PAIRS, MIN_TIMES * expected, expected + ERRORS * spread)
    message = (
        f"{len(seen)} images are most like one of another split that follows "
        f"them by name; {expected:.1f} would by chance"
    )
    is_many = len(seen) > limit
    if is_many:
        message += (
            f": {seen[0]}. Where such files belong together, as of a film or "
            f"a patient, {FLAG} keeps them in one split"
        )
    return CheckResult(
        name,
        WARN if is_many else PASS,
        len(seen),
        f"at most {limit:.0f}",
        f"{message}.",
    )


def _numbered(path: str) -> Numbered | None:
    """Returns a file's name without its last number, and the number.

    Example:
    >>> _numbered("photos/cat/IMG_0012.jpg")
    ('cat/IMG_', 12)
    """
    file = PurePath(path)
    found = NUMBER.search(file.stem)
    if not found or len(found[1]) > 9:  # a date and time, or a hash
        return None
    return f"{file.parent.name}/{file.stem[: found.start()]}", int(found[1])


def _is_close(own: Numbered, other: Numbered | None) -> bool:
    if other is None or own[0] != other[0]:
        return False
    return abs(own[1] - other[1]) <= CLOSE


def _count_close(own: Numbered, known: Counter[Numbered | None]) -> int:
    prefix, number = own
    return sum(
        known[prefix, number + step] for step in range(-CLOSE, CLOSE + 1)
    )
