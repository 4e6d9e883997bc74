"""The data that a run stands on: counts, and what was left out."""

from collections import Counter

from tlkeras.data.definition import configured_definition
from tlkeras.report.headline import quantile_words
from tlkeras.report.run_files import MAX_CLASS_ROWS, Content, RunFiles

MAX_LISTED_FILES = 100
NUM_SMALLEST = 20
# What a reason of the scan begins with -> how the summary calls it.
REASON_KINDS = {
    "duplicate of": "duplicates of another file",
    "identical bytes under": "the same bytes under two labels",
    "not a JPEG": "no images",
    "damaged ": "damaged images",
    "only ": "too small",
    "too large": "too large",
    "cannot be read": "unreadable files",
    "review: duplicate": "found to be duplicates by a person",
    "review: bad": "found to be bad by a person",
}


def build_ledger(files: RunFiles) -> Content:
    """Returns counts by class and split, and the files left out."""
    ledger = files.ledger
    counts = ledger["class_counts"]
    names = files.class_names
    is_cut = len(names) > MAX_CLASS_ROWS
    if is_cut:
        names = sorted(names, key=lambda n: counts["train"].get(n, 0))
        names = names[:NUM_SMALLEST]
    left_out = ledger["left_out"]
    kinds = Counter(name_kind(item["reason"]) for item in left_out)
    return {
        "source": files.config.data.source,
        "splits": list(counts),
        "rows": [
            {"name": n, "counts": [c.get(n, 0) for c in counts.values()]}
            for n in names
        ],
        "totals": [sum(c.values()) for c in counts.values()],
        "spread": {
            split: quantile_words(list(c.values()))
            for split, c in counts.items()
        },
        "multi_label": files.multi_label,
        "num_classes": len(files.class_names),
        "is_cut": is_cut,
        "num_files": ledger["num_files"],
        "num_left_out": len(left_out),
        "kinds": kinds.most_common(),
        "listed": left_out[:MAX_LISTED_FILES],
        "moved": ledger["moved"],
        "num_relabelled": len(ledger.get("relabelled", [])),
        "num_with_orientation": ledger["num_with_orientation"],
        "is_upright": configured_definition(files.config).is_upright,
        "num_duplicates": kinds[REASON_KINDS["duplicate of"]],
    }


def name_kind(reason: str) -> str:
    """Returns the kind of a reason why a file was left out."""
    for start, kind in REASON_KINDS.items():
        if reason.startswith(start):
            return kind
    return "others"
