"""What a person decided about images: `review.csv`, one row a decision.

Rows are only ever added, each on the disk before it is acknowledged, so that a
killed process loses none; taking one back is a row too. An image is known by
the hash of its bytes: a file that was moved or renamed keeps its decisions.
"""

import csv
import dataclasses
import datetime
import io
import os
from collections.abc import Iterable
from pathlib import Path

from tlkeras import workdir
from tlkeras.errors import InputError, quote
from tlkeras.formulas import guard_cell, unguard_cell

RELABEL, DUPLICATE, BAD, SKIP, UNDO = (
    "relabel",
    "duplicate",
    "bad",
    "skip",
    "undo",
)
# Decision -> what it does to an image in the next run.
REVIEW_DECISIONS = {
    RELABEL: "it gets the label; its own one confirms it",
    DUPLICATE: "it is left out",
    BAD: "it is left out",
    SKIP: "nothing",
    UNDO: "the image's last decision is taken back",
}
LEAVES_OUT = (DUPLICATE, BAD)


@dataclasses.dataclass(frozen=True)
class ReviewDecision:
    """One row of a review file; the fields are its columns.

    Attributes:
        digest: Hash of the image's bytes.
        path: Of the image, for people.
        given: Its labels by then, joined by `|`, for people.
        decision: Key of `REVIEW_DECISIONS`.
        label: That it is given; "" where the decision is another.
        time: UTC, to the second. Its length is fixed and it comes last: a row
            that a failing disk cut short is seen to be.
    """

    digest: str
    path: str
    given: str
    decision: str
    label: str = ""
    time: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )
    )


REVIEW_COLUMNS = [f.name for f in dataclasses.fields(ReviewDecision)]
TIME_LENGTH = len("2026-01-01T00:00:00Z")


def append_decision(path: Path, decision: ReviewDecision) -> None:
    """Adds a row; it is on the disk when this returns.

    Args:
        path: Of the file; one that is not there is begun.
        decision: The row.

    Raises:
        OSError: If it cannot be written.
    """
    with open(path, "ab+") as file:
        file.seek(0)
        file.truncate(_whole_length(file.read()))
        text = _format_row(REVIEW_COLUMNS) if not file.tell() else ""
        text += _format_row(dataclasses.astuple(decision))
        # At once: what a kill leaves is a row or none.
        file.write(text.encode("utf-8", workdir.AS_THEY_ARE))
        file.flush()
        os.fsync(file.fileno())


def _format_row(cells: Iterable[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(map(guard_cell, cells))
    return text.getvalue()


def _whole_length(content: bytes) -> int:
    """Returns the bytes before a last row that was cut short."""
    start = content.rfind(b"\n") + 1
    last = content[start:].decode("utf-8", workdir.AS_THEY_ARE)
    row = next(csv.reader([last]), [])
    is_whole = not last or len((row or [""])[-1]) == TIME_LENGTH
    return len(content) if is_whole else start


def read_decisions(path: Path) -> list[ReviewDecision]:
    """Reads the rows of a review file, those taken back among them.

    Raises:
        InputError: If it does not exist, or holds what no review does.
    """
    if not path.is_file():
        raise InputError(
            f"The review file '{quote(path)}' does not exist; expected the "
            f"{workdir.REVIEW} that tlkeras demo writes into a run: check "
            "--config.data.review_file."
        )
    with workdir.reading(path):
        content = path.read_bytes()
        text = content[: _whole_length(content)].decode(
            "utf-8-sig", workdir.AS_THEY_ARE
        )
        header, *rows = csv.reader(io.StringIO(text, newline=""))
    if header != REVIEW_COLUMNS:
        raise InputError(
            f"'{quote(path)}' is no review file; expected the columns "
            f"{','.join(REVIEW_COLUMNS)}: take the {workdir.REVIEW} of a run."
        )
    return [
        _read_row(row, f"Row {number} of '{quote(path)}'")
        for number, row in enumerate(rows, start=2)  # after the header
        if row
    ]


def _read_row(row: list[str], place: str) -> ReviewDecision:
    if len(row) != len(REVIEW_COLUMNS):
        raise InputError(
            f"{place} has {len(row)} cells; expected "
            f"{len(REVIEW_COLUMNS)}, {','.join(REVIEW_COLUMNS)}: correct it."
        )
    decision = ReviewDecision(*map(unguard_cell, row))
    if decision.decision not in REVIEW_DECISIONS:
        raise InputError(
            f"{place} has the decision '{quote(decision.decision)}'; expected "
            f"one of {', '.join(REVIEW_DECISIONS)}: correct it."
        )
    return decision


def standing_decisions(
    decisions: Iterable[ReviewDecision],
) -> list[ReviewDecision]:
    """Returns the decisions that were not taken back, in their order.

    Of two about an image the later one counts.
    """
    standing: list[ReviewDecision] = []
    for decision in decisions:
        if decision.decision != UNDO:
            standing.append(decision)
            continue
        for place in reversed(range(len(standing))):
            if standing[place].digest == decision.digest:
                del standing[place]
                break
    return standing
