"""Distillation: a finished run teaches a phase (Hinton et al. 2015).

The teacher answers the training images once, as they are. Its softened
probabilities are mixed into the targets, so that every loss, view and cached
activation of the phase serves unchanged.
"""

import dataclasses
from pathlib import Path

import numpy as np

from tlkeras import workdir
from tlkeras.data.dataset import Dataset, Split
from tlkeras.errors import InputError
from tlkeras.evaluation.records import read_result
from tlkeras.optim.losses import LOSSES, Loss
from tlkeras.training.context import RunContext
from tlkeras.training.phases import Phase


def require_teacher(
    phase: str, teacher: Path, dataset: Dataset, *, multi_label: bool
) -> None:
    """Makes sure that a run can teach a phase.

    Args:
        phase: Its name.
        teacher: Directory of the run.
        dataset: Its classes must be the teacher's, and no image of its
            validation and test splits may have trained the teacher.
        multi_label: Whether an image may carry several labels.

    Raises:
        InputError: If it is no finished run, or cannot.
    """
    subject = f"The teacher '{teacher}' of the phase '{phase}'"
    flag = f"--config.phases.{phase}.teacher"
    result = read_result(teacher)
    if result.class_names != dataset.class_names:
        raise InputError(
            f"{subject} knows other classes "
            f"({', '.join(result.class_names[:3])}, ...); expected "
            f"{', '.join(dataset.class_names[:3])}, ...: name another run with "
            f"{flag}."
        )
    if LOSSES[result.loss].multi_label != multi_label:
        raise InputError(
            f"{subject} differs in how many labels an image may carry; "
            f"expected the same of both: name another run with {flag}."
        )
    if seen := _held_out_seen(teacher, dataset):
        raise InputError(
            f"{subject} was trained on {seen} images that are held out here; "
            "expected the teacher's own splits: set "
            f"--config.data.split_file={teacher / workdir.SPLIT}."
        )


def _held_out_seen(teacher: Path, dataset: Dataset) -> int:
    """Counts validation and test images that the teacher trained on."""
    taught = {
        row["digest"]
        for row in workdir.read_table(teacher / workdir.SPLIT)
        if row["split"] == "train"
    }
    return sum(
        digest in taught
        for name, split in dataset.splits.items()
        if name != "train"
        for digest in split.digests
    )


def taught_split(phase: Phase, run: RunContext) -> Split:
    """Returns the training images with the targets of a phase.

    Args:
        phase: Without a teacher its targets are the labels.
        run: Its training images are answered once; its directory keeps that.

    Returns:
        Targets float32 [N, C], (1 - share) labels + share p, where p are the
        teacher's probabilities for its logits divided by the temperature.
    """
    train = run.dataset.splits["train"]
    if not phase.teacher:
        return train
    logits = _answer(phase, run, train)
    loss = LOSSES[read_result(Path(phase.teacher)).loss]
    targets = mix_targets(
        train.targets,
        logits,
        loss,
        share=phase.teacher_share,
        temperature=phase.teacher_temperature,
    )
    return dataclasses.replace(train, labels=targets)


def mix_targets(
    targets: np.ndarray,
    logits: np.ndarray,
    loss: Loss,
    *,
    share: float,
    temperature: float,
) -> np.ndarray:
    """Returns (1 - share) targets + share probabilities, float32 [N, C].

    Args:
        targets: [N, C] one-hot or multi-hot.
        logits: float [N, C] of the teacher.
        loss: Of the teacher, which says how its logits become probabilities.
        share: In 0..1.
        temperature: Above 0; 1 takes the probabilities as they are.
    """
    soft = loss.probabilities(np.asarray(logits, np.float64) / temperature)
    return ((1 - share) * targets + share * soft).astype(np.float32)


def _answer(phase: Phase, run: RunContext, train: Split) -> np.ndarray:
    """Returns the teacher's logits [N, C], computed once in a run."""
    path = run.directory / workdir.teacher_name(phase.name)
    if path.exists():
        with workdir.reading(path), np.load(path) as kept:
            if tuple(kept["digests"].tolist()) == train.digests:
                return np.asarray(kept["logits"])
    from tlkeras.evaluation.run import load_run

    teacher = load_run(phase.teacher)
    logits = teacher.compute_logits(train)
    with workdir.replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, logits=logits, digests=np.array(train.digests))
    agrees = (logits.argmax(-1) == train.targets.argmax(-1)).mean()
    run.console.line(
        f"{phase.name}: taught by '{phase.teacher}' "
        f"({teacher.config.model.backbone}), which answers {len(train)} "
        f"training images and agrees with {agrees:.3f} of their labels"
    )
    return logits
