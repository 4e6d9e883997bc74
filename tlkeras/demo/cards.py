"""The images of a run that a person should look at, as cards."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tlkeras import workdir
from tlkeras.data.dataset import SPLITS
from tlkeras.demo.run_images import RunImage
from tlkeras.evaluation.mistakes import Mistake, find_mistakes
from tlkeras.report.run_files import read_suspects

# Kind -> what the page calls it.
CARD_KINDS = {
    "label": "labels in doubt",
    "copy": "copies across splits",
    "mistake": "surest mistakes",
}
MAX_OF_A_KIND = 500
NUM_KEYS = 9  # 1 .. 9
# Mistakes on the test split are left alone: what is mended after a look at it
# flatters it.
MISTAKES_OF = "validation"


@dataclasses.dataclass(frozen=True)
class ReviewCard:
    """An image to decide about.

    Attributes:
        kind: Key of `CARD_KINDS`.
        image: About which is decided.
        likely: The class that it may be instead; "" = unknown.
        confidence: Of that, 0..1; 0 = unknown.
        copy: The other image of a pair; of the two it is held out.
        choices: Classes of the keys 1 .. 9.
    """

    kind: str
    image: RunImage
    likely: str = ""
    confidence: float = 0.0
    copy: RunImage | None = None
    choices: tuple[str, ...] = ()


def build_cards(
    directory: Path,
    by_path: Mapping[str, RunImage],
    class_names: Sequence[str],
    *,
    multi_label: bool,
) -> list[ReviewCard]:
    """Returns a card for each image in doubt, kind by kind, each image once.

    Args:
        directory: Of the run.
        by_path: Path -> image of the run; rows about others are passed over.
        class_names: [C].
        multi_label: Whether an image may carry several labels: classes have no
            keys then.
    """
    answers = workdir.read_table(
        directory / workdir.predictions_name(MISTAKES_OF)
    )
    mistakes = find_mistakes(answers)
    cards: dict[str, ReviewCard] = {}
    counts: Counter[str] = Counter()
    for card in (
        *_doubt_labels(directory, by_path),
        *_pair_copies(directory, by_path),
        *_show_mistakes(mistakes, by_path),
    ):
        if card.image.digest in cards or counts[card.kind] >= MAX_OF_A_KIND:
            continue
        counts[card.kind] += 1
        choices = (
            () if multi_label else choose_classes(card, class_names, mistakes)
        )
        cards[card.image.digest] = dataclasses.replace(card, choices=choices)
    return list(cards.values())


def _doubt_labels(
    directory: Path, by_path: Mapping[str, RunImage]
) -> Iterator[ReviewCard]:
    for row in read_suspects(directory / workdir.SUSPECT_LABELS) or ():
        if image := by_path.get(row["path"]):
            confidence = float(row["confidence"])
            yield ReviewCard("label", image, row["likely"], confidence)


def _pair_copies(
    directory: Path, by_path: Mapping[str, RunImage]
) -> Iterator[ReviewCard]:
    path = directory / workdir.NEAR_DUPLICATES
    rows = workdir.read_table(path)
    with workdir.reading(path):
        pairs = [(row["path"], row["copy"]) for row in rows]
    for names in pairs:
        pair = [by_path[name] for name in names if name in by_path]
        if len(pair) == 2:
            # The one that is learnt from goes: models are judged by the other.
            first, second = sorted(pair, key=lambda i: SPLITS.index(i.split))
            yield ReviewCard("copy", first, copy=second)


def _show_mistakes(
    mistakes: Sequence[Mistake], by_path: Mapping[str, RunImage]
) -> Iterator[ReviewCard]:
    for mistake in mistakes:
        if image := by_path.get(mistake.path):
            yield ReviewCard(
                "mistake", image, mistake.predicted, mistake.probability
            )


def choose_classes(
    card: ReviewCard, class_names: Sequence[str], mistakes: Sequence[Mistake]
) -> tuple[str, ...]:
    """Returns the classes of the keys 1 .. 9.

    Up to nine classes keep their keys on every card. Of more, the image's own
    comes first, then the likely one, then those that its own is taken for, the
    most often first, then the others.

    Args:
        card: Its image and likely class count.
        class_names: [C].
        mistakes: On held-out images.
    """
    if len(class_names) <= NUM_KEYS:
        return tuple(class_names)
    own = card.image.labels
    taken_for = Counter(m.predicted for m in mistakes if m.label == own)
    taken_for.update(m.label for m in mistakes if m.predicted == own)
    often = (name for name, _ in taken_for.most_common())
    ranked = [own, card.likely, *often, *class_names]
    known = set(class_names)
    chosen = dict.fromkeys(name for name in ranked if name in known)
    return tuple(chosen)[:NUM_KEYS]
