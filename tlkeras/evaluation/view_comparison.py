"""`views_SPLIT.json`: what each variant of test-time views changes."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from tlkeras import workdir
from tlkeras.data.dataset import Split
from tlkeras.evaluation.calibration import Calibration
from tlkeras.evaluation.metrics import (
    PairedComparison,
    compare_paired,
    compute_summary,
    format_change,
    per_image_scores,
    primary_metric,
)
from tlkeras.evaluation.run import Run
from tlkeras.evaluation.test_time import (
    NONE,
    PLAIN,
    VIEW_VARIANTS,
    ImageView,
    MultiViewClassifier,
    average_views,
    variants_within,
)
from tlkeras.optim.losses import Loss, compute_log_losses

# Sign of what lies beyond chance -> words.
ANSWERS = {
    1: "more answers are right than chance explains",
    0: "no more answers are right than chance explains",
    -1: "fewer answers are right than chance explains",
}
LOG_LOSSES = {
    1: "log loss is higher",
    0: "log loss is no other",
    -1: "log loss is lower",
}


@dataclasses.dataclass(frozen=True)
class VariantRow:
    """One variant on one split, against the plain images.

    Attributes:
        num_views: Of an image.
        cost: Multiplications over those of the plain image.
        metric: Value of the primary metric.
        score: Paired: right answers, or the ranking of an image's labels.
        log_loss: Mean over the images.
        log_loss_change: Paired; below 0 is a gain.
    """

    num_views: int
    cost: float
    metric: float
    score: PairedComparison
    log_loss: float
    log_loss_change: PairedComparison

    @property
    def verdict(self) -> str:
        """Whether the views are worth their cost, as a sentence."""
        if self.num_views == 1:
            return "what the others are compared with."
        answers, losses = _sign(self.score), _sign(self.log_loss_change)
        found = (
            f"{ANSWERS[answers]}, {LOG_LOSSES[losses]}, at {self.cost:.1f} "
            "times the cost"
        )
        # As good as it may be in one, nothing is to be worse in the other.
        is_gain = (answers > 0 and losses <= 0) or (losses < 0 <= answers)
        return f"{found}: {'worth a try' if is_gain else 'leave it out'}."

    def as_dict(self, metric: str) -> dict[str, Any]:
        """Returns plain values for JSON; `metric` is the name of its own."""
        return {
            "num_views": self.num_views,
            "cost": self.cost,
            metric: self.metric,
            "difference": self.score.difference,
            "difference_interval": list(self.score.interval),
            "num_better": self.score.num_better,
            "num_worse": self.score.num_worse,
            "log_loss": self.log_loss,
            "log_loss_difference": self.log_loss_change.difference,
            "log_loss_difference_interval": list(self.log_loss_change.interval),
            "verdict": self.verdict,
        }


def _sign(change: PairedComparison) -> int:
    """Returns 1 or -1 for a change beyond chance, 0 for none."""
    low, high = change.interval
    return int(low > 0) - int(high < 0)


@dataclasses.dataclass(frozen=True)
class ViewsRecord:
    """What `views_SPLIT.json` holds.

    Attributes:
        num_examples: Images.
        metric: Name of the primary metric.
        image_sizes: Sides at which images were shown, pixels.
        variants: Variant -> its row, `none` first.
    """

    num_examples: int
    metric: str
    image_sizes: tuple[int, ...]
    variants: Mapping[str, VariantRow]

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {
            "num_examples": self.num_examples,
            "metric": self.metric,
            "image_sizes": list(self.image_sizes),
            "variants": {
                name: row.as_dict(self.metric)
                for name, row in self.variants.items()
            },
        }


def evaluate_views(
    run: Run, split: str, tta: str
) -> tuple[dict[str, Any], ViewsRecord]:
    """Evaluates a split, and in the same look what views of it change.

    `views_SPLIT.json` holds the comparison, of the variant and of those whose
    views it looks at anyway.

    Args:
        run: A finished run.
        split: train | validation | test.
        tta: Key of `VIEW_VARIANTS`.

    Returns:
        The metrics of plain images, as `Run.evaluate`, and the comparison.

    Raises:
        InputError: If the run's data has no such split, or the run or its
            network does not allow these views; no look is counted then.
    """
    classifier = run.build_views(tta)
    found: list[tuple[Split, dict[ImageView, np.ndarray]]] = []

    def look(examples: Split) -> np.ndarray:
        answers = classifier.compute_logits(
            lambda size: run.batches(examples, size)
        )
        found.append((examples, answers))
        return answers[PLAIN]

    metrics = run.evaluate(split, compute_logits=look)
    ((examples, answers),) = found
    record = compare_variants(
        tta,
        classifier,
        answers,
        examples.targets,
        loss=run.loss,
        calibration=run.calibration,
        num_samples=run.config.evaluation.bootstrap_samples,
    )
    path = run.directory / workdir.views_name(split)
    workdir.write_json(path, record.as_dict())
    return metrics, record


def compare_variants(
    variant: str,
    classifier: MultiViewClassifier,
    answers: Mapping[ImageView, np.ndarray],
    targets: np.ndarray,
    *,
    loss: Loss,
    calibration: Calibration,
    num_samples: int,
) -> ViewsRecord:
    """Compares all variants whose views were looked at with the plain one.

    All answer by the temperature of the plain network, which was fitted on
    validation: there its log loss is flattered, by a single number.

    Args:
        variant: Key of `VIEW_VARIANTS` that was asked for.
        classifier: That looked.
        answers: View -> logits [N, C] as served.
        targets: [N, C] multi-hot.
        loss: That the network was trained with.
        calibration: That its logits have already.
        num_samples: Bootstrap resamples.
    """
    rows: dict[str, VariantRow] = {}
    plain_scores = plain_losses = np.empty(0)
    for name in variants_within(variant):
        views = VIEW_VARIANTS[name]
        logits = average_views(
            answers, views, loss=loss, calibration=calibration
        )
        scores = per_image_scores(targets, logits, multi_label=loss.multi_label)
        losses = compute_log_losses(targets, logits, loss)
        if name == NONE:
            plain_scores, plain_losses = scores, losses
        metrics = compute_summary(targets, logits, loss=loss)
        rows[name] = VariantRow(
            num_views=len(views),
            cost=classifier.compute_cost(views),
            metric=metrics[primary_metric(loss.multi_label)],
            score=compare_paired(plain_scores, scores, num_samples=num_samples),
            log_loss=float(losses.mean()),
            log_loss_change=compare_paired(
                plain_losses, losses, num_samples=num_samples
            ),
        )
    return ViewsRecord(
        len(targets),
        primary_metric(loss.multi_label),
        classifier.sizes,
        rows,
    )


def format_views(record: ViewsRecord) -> str:
    """Returns a table, and what follows from it, for people."""
    lines = [
        f"{'views':<12}{'number':>7}{'cost':>6}{record.metric:>24}  "
        f"{'difference':<29}{'log loss':>8}  difference"
    ]
    lines += [
        f"{name:<12}{row.num_views:>7}{row.cost:>6.1f}{row.metric:>24.4f}  "
        f"{_describe(row.score):<29}{row.log_loss:>8.4f}  "
        f"{_describe(row.log_loss_change)}"
        for name, row in record.variants.items()
    ]
    lines += [f"{name}: {row.verdict}" for name, row in record.variants.items()]
    return "\n".join(lines)


def _describe(change: PairedComparison) -> str:
    return format_change(change.difference, change.interval)
