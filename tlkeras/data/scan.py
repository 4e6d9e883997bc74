"""Reads each file once: finds damaged, empty, duplicate, mislabelled ones."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tlkeras.console import Console
from tlkeras.data.dataset import Example, FileReport, Ledger, LeftOut
from tlkeras.data.definition import MAX_PIXELS
from tlkeras.data.inspection import inspect_file
from tlkeras.data.scan_memory import (
    Stamp,
    find_known,
    recall,
    remember,
    stamp_of,
)
from tlkeras.errors import InputError
from tlkeras.remote import RemoteStamp

ON_BAD_IMAGE = ("skip", "fail")


def scan(
    examples: Iterable[Example],
    *,
    on_bad_image: str,
    num_workers: int,
    max_pixels: int = MAX_PIXELS,
    memory: Path | None = None,
    console: Console | None = None,
) -> tuple[list[Example], Ledger]:
    """Returns the usable examples, with digests, and the ledger of the rest.

    Identical bytes under two labels are all left out. Of identical bytes under
    one label the first stays; in a source with splits, the one in the test or
    else validation split stays, so that no image straddles two splits.

    Args:
        examples: As the source lists them.
        on_bad_image: `skip`, or `fail` at the first damaged file.
        num_workers: Threads that read and decode.
        max_pixels: A larger image is left out, before it is decoded.
        memory: From `scan_memory.memory_file`: files that have not changed
            since are not read again. None = all are read.
        console: For progress; None is quiet.

    Raises:
        InputError: If `on_bad_image="fail"` and a file is bad, or if no
            readable image is left.
    """
    listed = list(examples)
    ledger = Ledger(
        len(listed), [LeftOut(e.path, e.problem) for e in listed if e.problem]
    )
    examples = [example for example in listed if not example.problem]
    reports = _inspect_all(
        [(example.path, example.stamp) for example in examples],
        num_workers=num_workers,
        max_pixels=max_pixels,
        memory=memory,
        console=console or Console(quiet=True),
    )
    readable = []
    for example, report in zip(examples, reports, strict=True):
        if report.problem and on_bad_image == "fail":
            raise InputError(
                f"'{example.path}' is unusable: {report.problem}; expected a "
                "readable image: remove it, or pass "
                "--config.data.on_bad_image=skip."
            )
        if report.problem:
            ledger.left_out.append(LeftOut(example.path, report.problem))
        else:
            readable.append(
                replace(
                    example,
                    digest=report.digest,
                    look=report.look,
                    copy=report.copy,
                )
            )
            ledger.num_with_orientation += report.is_rotated
    if not readable:
        first = ledger.left_out[-len(examples)]
        raise InputError(
            f"None of the {len(examples)} images can be read; the first, "
            f"'{first.path}', is: {first.reason}. "
            "Expected JPEG, PNG, GIF, BMP or WebP files."
        )
    return _drop_copies(readable, ledger), ledger


def _inspect_all(
    listed: Sequence[tuple[str, RemoteStamp | None]],
    *,
    num_workers: int,
    max_pixels: int,
    memory: Path | None,
    console: Console,
) -> list[FileReport]:
    """Returns the report of each file; reads those that are not remembered."""
    known = recall(memory) if memory else {}
    stamps: list[Stamp | None] = [
        stamp or stamp_of(path) if memory else None for path, stamp in listed
    ]
    found = [
        find_known(known, path, stamp)
        for (path, _), stamp in zip(listed, stamps, strict=True)
    ]
    missing = [row for row, report in enumerate(found) if report is None]
    console.start("reading images", len(missing))
    with ThreadPoolExecutor(num_workers) as pool:
        reports = pool.map(
            lambda row: inspect_file(
                listed[row][0], max_pixels, listed[row][1]
            ),
            missing,
        )
        for done, (row, report) in enumerate(
            zip(missing, reports, strict=True), 1
        ):
            found[row] = report
            console.advance_to(done)
    console.stop()
    everything = [report for report in found if report is not None]
    if memory and (missing or len(known) > len(listed)):
        files = [path for path, _ in listed]
        remember(memory, zip(files, stamps, everything, strict=True))
    return everything


def _drop_copies(examples: list[Example], ledger: Ledger) -> list[Example]:
    by_digest = defaultdict(list)
    for example in examples:
        by_digest[example.digest].append(example)
    dropped = set()
    for copies in by_digest.values():
        if len({frozenset(copy.labels) for copy in copies}) > 1:
            names = " and ".join(sorted({"|".join(c.labels) for c in copies}))
            reason, keeper = f"identical bytes under {names}", None
        else:
            keeper = max(copies, key=_held_out_first)
            reason = f"duplicate of {keeper.path}"
        for copy in copies:
            if copy is not keeper:
                ledger.left_out.append(LeftOut(copy.path, reason))
                dropped.add(id(copy))
                if len({c.split for c in copies}) > 1:
                    ledger.straddling.append(copy.path)
    return [example for example in examples if id(example) not in dropped]


def _held_out_first(example: Example) -> int:
    return ("train", "validation", "test").index(example.split or "train")
