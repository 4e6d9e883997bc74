"""Honours a review: images get other labels or are left out."""

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

from tlkeras.data.dataset import Example, Ledger, LeftOut, count_labels
from tlkeras.data.review_file import (
    LEAVES_OUT,
    RELABEL,
    ReviewDecision,
    read_decisions,
    standing_decisions,
)
from tlkeras.errors import InputError, quote
from tlkeras.tables import suggest


def follow_review(
    found: Sequence[Example], path: Path, ledger: Ledger
) -> list[Example]:
    """Returns the examples as a review leaves them.

    Args:
        found: Usable, with digests.
        path: Of the review file.
        ledger: Is told what changed.

    Raises:
        InputError: If the file is none, is about other images, names unknown
            classes, or gives one label to images that may carry several.
    """
    decided = read_standing(
        path,
        digests={example.digest for example in found},
        class_names=sorted(count_labels(found)),
        multi_label=any(len(example.labels) > 1 for example in found),
    )
    kept = []
    for example in found:
        decision = decided.get(example.digest)
        if decision is None:
            kept.append(example)
        elif decision.decision in LEAVES_OUT:
            reason = f"review: {decision.decision}"
            ledger.left_out.append(LeftOut(example.path, reason))
        elif decision.decision != RELABEL:
            kept.append(example)
        else:
            labels = (decision.label,)
            if labels != example.labels:
                given = "|".join(example.labels)
                change = (example.path, given, decision.label)
                ledger.relabelled.append(change)
            kept.append(dataclasses.replace(example, labels=labels))
    return kept


def read_standing(
    path: Path,
    *,
    digests: Collection[str],
    class_names: Sequence[str],
    multi_label: bool,
) -> dict[str, ReviewDecision]:
    """Reads what a review file says in the end about the images of a data set.

    Args:
        path: Of the file.
        digests: Of the images that there are.
        class_names: [C].
        multi_label: Whether images may carry several labels.

    Returns:
        Digest -> decision; of images that are no longer there too.

    Raises:
        InputError: As `follow_review`.
    """
    decisions = read_decisions(path)
    if decisions and not any(d.digest in digests for d in decisions):
        raise InputError(
            f"The review file '{quote(path)}' names none of the images that "
            "there are, by the hash of their bytes; expected one of the same "
            "data set: check --config.data.review_file."
        )
    decided = {d.digest: d for d in standing_decisions(decisions)}
    for decision in decided.values():
        if decision.decision != RELABEL:
            continue
        if decision.label not in class_names:
            raise InputError(
                f"The review file '{quote(path)}' has the class "
                f"'{quote(decision.label)}', which the data set has not;"
                f"{suggest(decision.label, class_names)} expected one of its "
                "own: correct the row, or take the file of the same data set."
            )
        if multi_label:
            raise InputError(
                f"The review file '{quote(path)}' gives one label, "
                f"'{quote(decision.label)}', where images may carry several; "
                "expected duplicate or bad alone: correct the source instead."
            )
    return decided
