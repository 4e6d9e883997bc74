"""Images that belong together, of one patient, film or product.

They are as good as copies of one another: a classifier that has seen some of a
group is not judged by the others. So a group lies in one split, and in one fold
of every cross-validation.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from tlkeras.data.dataset import Example
from tlkeras.errors import InputError, quote

FLAG = "--config.data.group_by"


def set_groups(examples: Sequence[Example], group_by: str) -> list[Example]:
    r"""Gives each example the group that its path names.

    Args:
        examples: As listed.
        group_by: Regular expression that is searched for in the path, with
            `/` between folders; its groups, joined by `/`, name the group, or
            all that it matches where it has none. "" leaves all as they are.

    Raises:
        InputError: If it is no regular expression, a path does not match, or
            the source states groups itself.

    Example:
    >>> (example,) = set_groups([Example("p7/a.jpg", ())], r"p\d+")
    >>> example.group
    'p7'
    """
    if not group_by:
        return list(examples)
    if any(example.group for example in examples):
        raise InputError(
            f"Both {FLAG} and the column group of the manifest are given; "
            "expected one of them: leave the other out."
        )
    try:
        pattern = re.compile(group_by)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(
            f"{FLAG}={quote(group_by, form=repr)} is no regular expression "
            f"({error}); expected such as 'patient(\\d+)'."
        ) from None
    return [
        replace(
            example,
            group="" if example.problem else _find(pattern, example.path),
        )
        for example in examples
    ]


def _find(pattern: re.Pattern[str], path: str) -> str:
    found = pattern.search(path.replace("\\", "/"))
    name = found and "/".join(
        part or "" for part in found.groups() or (found[0],)
    )
    if not name:
        raise InputError(
            f"{FLAG}={quote(pattern.pattern, form=repr)} finds no group in "
            f"'{quote(path)}'; expected one in the path of each image: widen "
            "the expression, or leave it out."
        )
    return name


def require_divisible(examples: Sequence[Example]) -> None:
    """Makes sure that each class has a group to train on and one to judge by.

    Raises:
        InputError: Naming a class of one group only.
    """
    groups = defaultdict(set)
    for example in examples:
        for label in example.labels:
            groups[label].add(example.group)
    for label, names in sorted(groups.items()):
        if len(names) == 1 and (name := next(iter(names))):
            raise InputError(
                f"All images of the class '{label}' are of the group "
                f"'{quote(name)}'; expected at least two groups a class, one "
                "to train and one to judge by: add images, remove the class, "
                "or group by something else."
            )


def require_whole(examples: Sequence[Example]) -> None:
    """Makes sure that each group lies in one split.

    Raises:
        InputError: Naming a group that lies in two.
    """
    first: dict[str, Example] = {}
    for example in examples:
        if not example.group:
            continue
        other = first.setdefault(example.group, example)
        if other.split != example.split:
            raise InputError(
                f"The group '{quote(example.group)}' has images in "
                f"{other.split} and {example.split} ('{quote(other.path)}', "
                f"'{quote(example.path)}'); expected each group in one split: "
                "move its images together, or leave the splits out."
            )
