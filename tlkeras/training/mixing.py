"""Which weights a fitted phase ends with: its own, or those before it.

The log loss of the validation images decides, each calibrated by others of
them: it says more of few images than their accuracy does. Weights on the line
between both may be tried too. All are tried from cached activations where there
are such.

References:
    Wortsman et al., Robust fine-tuning of zero-shot models, 2022 (WiSE-FT).
    Kumar et al., Fine-tuning can distort pretrained features and underperform
    out-of-distribution, 2022.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tlkeras.evaluation.calibration import calibrate_held_out
from tlkeras.evaluation.metrics import compare_paired
from tlkeras.evaluation.phase_details import MixedWeights
from tlkeras.optim.losses import compute_log_losses
from tlkeras.training.context import PhaseResult, RunContext
from tlkeras.training.frozen_part import FrozenPart
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.progress import PhaseOutcome

EVEN = 0.5  # at which the lower log loss wins, however nearly
Weights = Sequence[np.ndarray]  # as `Checkpoints.read_weights` gives them


@dataclasses.dataclass(frozen=True)
class Point:
    """Weights on the line, and what they are worth on validation.

    Attributes:
        share: 0 = the weights before the phase, 1 = its own.
        metrics: The primary metric, and `loss`.
        scores: Per-image scores, [N].
        log_losses: Of each image, as calibrated by other images, [N].
    """

    share: float
    metrics: dict[str, float]
    scores: np.ndarray
    log_losses: np.ndarray


def mix(
    result: PhaseResult,
    before: PhaseOutcome | None,
    run: RunContext,
    phase: ResolvedPhase,
) -> PhaseResult:
    """Returns a fitted phase with the best weights on the line to its own.

    Of its own and those between, the lowest log loss counts. It must be below
    that of the weights before at `evaluation.replace_p_value`; else the share
    that is taken is 0. A phase that had no time for all its epochs must be the
    better one: that fine-tuning is, as a rule, was seen of whole phases.

    Args:
        result: Of a phase that has just ended.
        before: Of the phase whose weights were kept so far, or None.
        run: Whose model is changed.
        phase: As its config resolves.
    """
    outcome, evaluation = result.outcome, run.config.evaluation
    solved = outcome.details.layer_groups is None
    if before is None or solved:
        return result
    start, own = (
        run.checkpoints.read_weights(phase.best.file)
        for phase in (before, outcome)
    )
    from_here = _with_frozen_of(own, start, result.frozen, run)
    is_as_before = all(map(np.array_equal, from_here, start))
    points = [
        _try_point(0.0, start, result.frozen if is_as_before else None, run),
        *(
            _try_point(s, mix_weights(from_here, own, s), result.frozen, run)
            for s in (*evaluation.wise_ft, 1.0)
        ),
    ]
    chosen = min(points[1:], key=lambda point: point.log_losses.mean())
    paired = compare_paired(
        -points[0].log_losses,
        -chosen.log_losses,
        num_samples=evaluation.bootstrap_samples,
    )
    limit = evaluation.replace_p_value
    # A later rule for `auto` may give more epochs too, which is no haste.
    is_cut = (outcome.details.epochs or 0) < phase.epochs
    if is_cut and run.config.runtime.max_seconds and limit < 1:
        limit = min(limit, EVEN)
    is_better = paired.p_value <= limit
    mixed = MixedWeights(
        chosen.share if is_better else 0.0,
        paired.p_value,
        tuple(
            (p.share, p.metrics[run.metric], float(p.log_losses.mean()))
            for p in points
        ),
    )
    run.console.line(f"{outcome.phase}: {mixed.describe()}")
    best = outcome.best
    if 0 < mixed.share < 1:
        model = run.classifier.model
        model.set_weights(mix_weights(from_here, own, chosen.share))
        best = dataclasses.replace(
            best,
            file=run.checkpoints.save_weights(model, f"{outcome.phase}-mixed"),
            metrics=chosen.metrics,
            scores=chosen.scores.tolist(),
        )
    details = dataclasses.replace(outcome.details, mixed=mixed)
    outcome = dataclasses.replace(outcome, best=best, details=details)
    return dataclasses.replace(result, outcome=outcome)


def mix_weights(
    before: Weights, own: Weights, share: float
) -> list[np.ndarray]:
    """Returns before + share (own - before) of each weight, arrays [...].

    What a phase left as it was stays so to the last bit, and so do both ends.

    Args:
        before: Weights before a phase.
        own: Its own, of the same shapes.
        share: From 0 to 1.
    """
    if share == 1:
        return list(own)
    return [
        a + np.asarray(share, a.dtype) * (b - a)
        for a, b in zip(before, own, strict=True)
    ]


def _with_frozen_of(
    own: Weights, start: Weights, frozen: FrozenPart | None, run: RunContext
) -> list[np.ndarray]:
    """Returns the start of the line, with what is below as the phase has it.

    A phase may adapt the statistics of its frozen part; that stays.
    """
    below = {id(w) for w in frozen.parts.prefix.weights} if frozen else set()
    return [
        b if id(weight) in below else a
        for weight, a, b in zip(
            run.classifier.model.weights, start, own, strict=True
        )
    ]


def _try_point(
    share: float,
    weights: Weights,
    frozen: FrozenPart | None,
    run: RunContext,
) -> Point:
    run.classifier.model.set_weights(weights)
    logits = run.compute_logits("validation", frozen)
    split, loss = run.dataset.splits["validation"], run.classifier.head.loss
    if not np.isfinite(logits).all():
        worst = np.full(len(split), np.inf)
        metrics = {run.metric: 0.0, "loss": float("nan")}
        return Point(share, metrics, np.zeros(len(split)), worst)
    metrics, scores = run.summarize("validation", logits)
    if run.config.evaluation.calibrate:
        logits = calibrate_held_out(split.targets, logits, loss, split.groups)
    losses = compute_log_losses(split.targets, logits, loss)
    return Point(share, metrics, scores, losses)
