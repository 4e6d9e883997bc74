"""A review in progress: cards, and decisions that go to the disk at once."""

import copy
import shlex
import shutil
import threading
from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.data.review import read_standing
from tlkeras.data.review_file import (
    RELABEL,
    REVIEW_DECISIONS,
    UNDO,
    ReviewDecision,
    append_decision,
    read_decisions,
    standing_decisions,
)
from tlkeras.demo.cards import CARD_KINDS, build_cards
from tlkeras.demo.run_images import RunImage
from tlkeras.demo.tried_run import TriedRun
from tlkeras.demo.uploads import RefusalError
from tlkeras.errors import InputError, quote
from tlkeras.report.command import list_flags
from tlkeras.startup import import_frameworks


class ReviewSession:
    """Reviews the images of a run.

    What was decided stands in `review.csv` of the run alone, so that a killed
    process, or two pages, lose nothing. A run that itself honours a review
    goes on with it.

    Args:
        directory: Of the run.
        subject: The run.
        console: For progress.
    """

    def __init__(
        self, directory: Path, subject: TriedRun, console: Console
    ) -> None:
        self._directory = directory
        self._subject = subject
        self._console = console
        self._path = directory / workdir.REVIEW
        self._lock = threading.Lock()
        self._search: threading.Thread | None = None
        self._problem = ""

    def describe(self) -> dict[str, Any]:
        """Returns the cards and what was decided, for the page.

        What nobody has looked for yet is looked for, in the background.

        Raises:
            InputError: If the run's images are gone, or the review file is
                about others.
        """
        subject = self._subject
        images = subject.images
        with self._lock:
            decided = self._read_standing()
            self._begin_search()
        cards = build_cards(
            self._directory,
            images.by_path,
            subject.class_names,
            multi_label=subject.multi_label,
        )
        return {
            "kinds": CARD_KINDS,
            "cards": [
                {
                    "kind": card.kind,
                    "image": _show(card.image),
                    "likely": card.likely,
                    "confidence": card.confidence,
                    "copy": card.copy and _show(card.copy),
                    "choices": card.choices,
                }
                for card in cards
            ],
            "decided": {
                digest: {"decision": d.decision, "label": d.label}
                for digest, d in decided.items()
            },
            "searching": bool(self._search and self._search.is_alive()),
            "problem": self._problem,
            "file": workdir.as_text(str(self._path)),
            "command": self._next_command(),
        }

    def _next_command(self) -> str:
        """Returns what trains the next run, which honours the review."""
        config = copy.deepcopy(self._subject.config)
        config.data.review_file = workdir.as_text(str(self._path))
        flags, unsaid = list_flags(config)
        words = [f"--data={config.data.source}", *flags]
        text = " \\\n  ".join(["tlkeras train", *map(shlex.quote, words)])
        if unsaid:
            text += f"\n# in a config file: {', '.join(unsaid)}"
        return text

    def _read_standing(self) -> dict[str, ReviewDecision]:
        """Returns digest -> decision, if the file is of this run."""
        path = self._path if self._path.exists() else self._honoured
        images = self._subject.images
        if not path.exists():
            images.by_digest  # noqa: B018  there must be images
            return {}
        digests = set(images.by_digest)
        if path == self._honoured or self._honoured.exists():
            # Of the images that it leaves out none is left in the run.
            digests |= {d.digest for d in read_decisions(self._honoured)}
        return read_standing(
            path,
            digests=digests,
            class_names=self._subject.class_names,
            multi_label=self._subject.multi_label,
        )

    @property
    def _honoured(self) -> Path:
        return self._directory / workdir.REVIEWED

    def decide(self, digest: str, decision: str, label: str) -> None:
        """Writes a decision; it is on the disk when this returns.

        Args:
            digest: Of an image of the run.
            decision: Key of `REVIEW_DECISIONS`, but for `undo`.
            label: That it is given, or "".

        Raises:
            RefusalError: If any of them is none.
            InputError: If the review file is about other images.
        """
        image = self._subject.images.by_digest.get(digest)
        if image is None:
            raise RefusalError(400, "This image is none of the run's.")
        if decision not in REVIEW_DECISIONS or decision == UNDO:
            raise RefusalError(400, f"'{quote(decision)}' is no decision.")
        is_label = label in self._subject.class_names
        if (decision == RELABEL) != bool(label) or (label and not is_label):
            raise RefusalError(400, f"'{quote(label)}' is no class here.")
        if label and self._subject.multi_label:
            raise RefusalError(400, "Images may carry several labels here.")
        self._append(
            ReviewDecision(
                digest, quote(image.path), image.labels, decision, label
            )
        )

    def undo(self) -> str:
        """Takes the last decision of this run's review back.

        Returns:
            The digest of its image.

        Raises:
            RefusalError: If there is none.
        """
        with self._lock:
            rows = read_decisions(self._path) if self._path.exists() else []
            # What the run honours was decided before it.
            if self._honoured.exists():
                rows = rows[len(read_decisions(self._honoured)) :]
            standing = standing_decisions(rows)
            if not standing:
                raise RefusalError(400, "There is nothing to undo.")
            last = standing[-1]
            append_decision(
                self._path,
                ReviewDecision(last.digest, last.path, last.given, UNDO),
            )
        return last.digest

    def _append(self, decision: ReviewDecision) -> None:
        with self._lock:
            self._read_standing()  # nothing is added to a file of others
            if not self._path.exists() and self._honoured.exists():
                with workdir.replacing(self._path) as temporary:
                    shutil.copyfile(self._honoured, temporary)
            append_decision(self._path, decision)

    def _begin_search(self) -> None:
        """Looks for doubts in the background, once, where no check did."""
        if self._search or (self._directory / workdir.NEAR_DUPLICATES).exists():
            return
        self._search = threading.Thread(target=self._look, daemon=True)
        self._search.start()

    def _look(self) -> None:
        try:
            import_frameworks()
            from tlkeras.studies.doubts import write_doubts

            write_doubts(
                self._subject.config,
                self._directory,
                self._subject.images.dataset,
                self._console,
            )
        except (InputError, OSError) as error:
            self._problem = quote(error, limit=500)
        except Exception as error:  # the page shows it, and goes on
            self._problem = quote(f"{type(error).__name__}: {error}")


def _show(image: RunImage) -> dict[str, str]:
    return {
        "digest": image.digest,
        "name": "/".join(Path(image.path).parts[-2:]),
        "split": image.split,
        "labels": image.labels,
    }
