"""From what was measured to `advice.json`: quadrant, verdict, flags."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from tlkeras import workdir
from tlkeras.data.dataset import Dataset
from tlkeras.evaluation.metrics import bootstrap_interval, compare_paired
from tlkeras.models.classifier import Classifier
from tlkeras.studies.advice_findings import Findings
from tlkeras.studies.advice_text import describe_advice
from tlkeras.studies.depth_profile import Profile
from tlkeras.studies.quadrants import (
    DIFFERENT,
    QUADRANTS,
    find_quadrant,
    read_distance,
    read_size,
)
from tlkeras.studies.recipe_trials import EPOCHS, fine_tune_from
from tlkeras.studies.recipe_verdict import (
    CANNOT_TELL,
    CEILING,
    NOT_MEASURED,
    Judgement,
    judge,
)

SIGNAL = 0.01  # one-sided p at which codes know more than class frequencies
KNOWN_LIMITS = (
    "the limits of similarity (.2, .35) were set on five sets of images and "
    "two networks",
    "the limits of size (300, 1000 training images a class) are a choice: the "
    "lectures name no number",
    "accuracies by depth choose the strength of L2 on the folds that they are "
    "measured on, which flatters all of them a little",
)
MEASURED_LIMITS = (
    f"fine-tuning had {EPOCHS} epochs and one seed a fold: a longer one may "
    "do better",
    "intervals are over images; the luck of a training is not in them",
)


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What the lectures expect, before anything is trained.

    Attributes:
        images_per_class: Median over the classes of the train split.
        size: From `read_size`.
        quadrant: Key of `QUADRANTS`.
        depth: What of top and earlier layers it expects to be better, judged
            by the profile.
    """

    images_per_class: float
    size: str
    quadrant: tuple[str, str]
    depth: Judgement

    @property
    def recipe(self) -> str:
        """Key of `RECIPES`."""
        return QUADRANTS[self.quadrant].recipe


def expect(findings: Findings, counts: Mapping[str, int]) -> Expectation:
    """Finds the quadrant of a data set.

    Args:
        findings: On its images.
        counts: Class -> training images.
    """
    profile = findings.profile
    earlier, _ = profile.pick_earlier()
    scores = {"top": profile.top, "earlier": earlier}
    images_per_class = float(np.median(list(counts.values())))
    size = read_size(images_per_class)
    similarity = findings.similarity
    quadrant = find_quadrant(
        size,
        read_distance(similarity.distance) if similarity else None,
        still_rises=findings.curve.still_rises,
        earlier_is_better=judge("top", scores).recommended == "earlier",
    )
    depth = "earlier" if quadrant[1] == DIFFERENT else "top"
    return Expectation(images_per_class, size, quadrant, judge(depth, scores))


def has_signal(profile: Profile) -> bool:
    """Says whether any depth knows more than how frequent the classes are."""
    compared = compare_paired(
        profile.chance, profile.pick_any(), num_samples=1000
    )
    return compared.p_value <= SIGNAL


def write_record(
    directory: Path,
    config: ConfigDict,
    classifier: Classifier,
    dataset: Dataset,
    findings: Findings,
    expectation: Expectation,
    measured: Mapping[str, np.ndarray] | None,
) -> dict[str, Any]:
    """Judges, writes `advice.json`, and returns what it holds.

    Args:
        directory: Where it is written.
        config: Of the study.
        classifier: Built from it.
        dataset: The data.
        findings: What was measured.
        expectation: From `expect`.
        measured: Recipe -> scores [N] of its training; None = not trained.
    """
    verdict = _decide(findings, expectation, measured)
    judgement = expectation.depth if measured is None else verdict
    result: dict[str, Any] = {
        "backbone": classifier.backbone.name,
        "source": config.data.source,
        "num_images": len(findings),
        "num_folds": int(findings.profile.fold.max()) + 1,
        "similarity": findings.similarity and findings.similarity.as_dict(),
        "size": _size(dataset, findings, expectation),
        "profile": _profile(findings.profile, expectation),
        "quadrant": dict(
            zip(("size", "similarity"), expectation.quadrant, strict=True)
        ),
        "rule": QUADRANTS[expectation.quadrant].sentence,
        "expected_recipe": expectation.recipe,
        "recommended_recipe": verdict.recommended,
        "flags": _flags(verdict.recommended, classifier, findings.profile),
        "accuracies": {
            name: _accuracy(scores) for name, scores in (measured or {}).items()
        },
        "evidence": _evidence(judgement, expectation, measured),
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "ceiling": _ceiling(findings.profile, measured),
        "limits": [
            *([findings.why_unknown] if findings.why_unknown else []),
            *KNOWN_LIMITS,
            *(MEASURED_LIMITS if measured else ()),
        ],
    }
    result["sentences"] = describe_advice(result)
    workdir.write_json(directory / workdir.ADVICE, result)
    return result


def _decide(
    findings: Findings,
    expectation: Expectation,
    measured: Mapping[str, np.ndarray] | None,
) -> Judgement:
    """Returns the verdict on the quadrant's recipe."""
    expected = expectation.recipe
    if not has_signal(findings.profile):
        return Judgement(
            CANNOT_TELL,
            "no depth knows more of the labels than how frequent they are: "
            "look at the labels (tlkeras check)",
            expected,
            {},
        )
    if measured is not None:
        return judge(expected, measured)
    by_depth = expectation.depth.recommended
    return Judgement(
        NOT_MEASURED,
        "the recipes were not trained: --measure does",
        by_depth if expected in ("top", "earlier") else expected,
        {},
    )


def _accuracy(scores: np.ndarray) -> dict[str, Any]:
    return {
        "accuracy": float(scores.mean()),
        "interval": bootstrap_interval(scores, num_samples=1000),
    }


def _size(
    dataset: Dataset, findings: Findings, expectation: Expectation
) -> dict[str, Any]:
    counts = dataset.class_counts()["train"].values()
    curve = findings.curve
    return {
        "images_per_class": expectation.images_per_class,
        "fewest": min(counts),
        "most": max(counts),
        "left_out": len(dataset.ledger.left_out),
        "reading": expectation.size,
        "learning_curve": {
            **dataclasses.asdict(curve),
            "layer": findings.profile.best.layer,
            "still_rises": curve.still_rises,
        },
    }


def _profile(profile: Profile, expectation: Expectation) -> dict[str, Any]:
    earlier, picked = profile.pick_earlier()
    claim = expectation.depth
    return {
        "depths": [
            {
                "layer": depth.layer,
                "k_nn": {
                    "accuracy": depth.k_nn,
                    "interval": depth.k_nn_interval,
                },
                "linear": depth.linear
                and {
                    "accuracy": depth.linear.accuracy,
                    "interval": depth.linear.interval,
                },
            }
            for depth in profile.depths
        ],
        "raw_pixels": _accuracy(profile.raw_pixels.scores),
        "chance": float(profile.chance.mean()),
        "best_layer": profile.best.layer,
        "top": _accuracy(profile.top),
        "earlier": {**_accuracy(earlier), "picked": picked},
        "claim": {
            "expected": "earlier"
            if expectation.quadrant[1] == DIFFERENT
            else "top",
            "verdict": claim.verdict,
            "reason": claim.reason,
        },
    }


def _evidence(
    judgement: Judgement,
    expectation: Expectation,
    measured: Mapping[str, np.ndarray] | None,
) -> list[dict[str, Any]]:
    """Returns the comparisons behind the verdict, or behind the depth's."""
    against = expectation.recipe
    if measured is None:
        different = expectation.quadrant[1] == DIFFERENT
        against = "earlier" if different else "top"
    return [
        {
            "recipe": name,
            "against": against,
            "measured_by": "profile" if measured is None else "training",
            **dataclasses.asdict(compared),
        }
        for name, compared in judgement.comparisons.items()
    ]


def _ceiling(
    profile: Profile, measured: Mapping[str, np.ndarray] | None
) -> dict[str, Any]:
    """Returns how much is left to gain."""
    candidates = [profile.top, profile.pick_earlier()[0]]
    best = max([*candidates, *(measured or {}).values()], key=np.mean)
    accuracy = _accuracy(best)
    return {
        **accuracy,
        "left": 1 - accuracy["accuracy"],
        "reached": accuracy["accuracy"] >= CEILING,
    }


def _flags(recipe: str, classifier: Classifier, profile: Profile) -> list[str]:
    """Returns the recipe as flags of `tlkeras train`."""
    fine_tune = "--config.phases.fine_tune"
    if recipe in ("few", "all"):
        start = fine_tune_from(recipe, classifier)
        return [f"{fine_tune}.trainable_from={start}"]
    flags = [f"{fine_tune}.epochs=0"]
    if recipe == "earlier":
        layer = profile.best_earlier.layer
        flags.insert(0, f"--config.model.features_from={layer}")
    return flags
