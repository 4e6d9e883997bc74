"""`method="solve"`: the frozen network once, then an exact linear fit."""

import functools
import time

import numpy as np

from tlkeras.evaluation.phase_details import PhaseDetails
from tlkeras.models.batch_norm import adapt_batch_norm
from tlkeras.models.classifier import freeze_at
from tlkeras.ranking import rank_key
from tlkeras.training.context import PhaseResult, RunContext
from tlkeras.training.freezing import freeze_below
from tlkeras.training.frozen_part import prove_stitched
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.progress import BestWeights, PhaseOutcome
from tlkeras.training.solved_codes import open_codes
from tlkeras.training.time_plan import TimeLeft, TooLittleTimeError

TIMED_ROWS = 1024
USUAL_ITERATIONS = 200  # of at most `batched_solvers.MAX_ITERATIONS`


def run_solve_phase(
    phase: ResolvedPhase, run: RunContext, left: TimeLeft
) -> PhaseResult:
    """Fits the last layer on CNN codes; its strength is chosen on validation.

    Ties in the metric are broken by the validation loss. The coefficients are
    written into the head, so that the model is like any other afterwards.

    Args:
        phase: With a frozen backbone.
        run: Its classifier gets the coefficients, its history one row.
        left: Time for it.

    Raises:
        TooLittleTimeError: If that is less than it takes.
    """
    started = time.perf_counter()
    classifier = run.classifier
    counts = freeze_at(classifier, phase.cutoff, batch_norm=phase.batch_norm)
    run.console.line(
        f"{phase.name}: {counts['frozen_layers']} backbone layers are frozen; "
        f"BatchNormalization '{phase.batch_norm}': "
        f"{counts['batch_norm_layers']} layers, 0 in training mode"
    )
    if phase.batch_norm == "adapt":
        adapt_batch_norm(classifier, run.shuffled_images())
    is_asked = left.is_limited or not run.console.quiet
    expect = functools.partial(_expect, phase, run, left) if is_asked else None
    frozen = freeze_below(phase, run, expect)
    assert frozen is not None  # a backbone has layers, and all are frozen
    codes = open_codes(phase, run, frozen)
    seconds_features = time.perf_counter() - started

    def score(kernel: np.ndarray, bias: np.ndarray) -> tuple[float, float]:
        logits = codes.answer("validation", kernel, bias)
        metrics, _ = run.summarize("validation", logits)
        return rank_key(metrics[run.metric], metrics["loss"])

    fit = codes.fit(score)
    classifier.logits_layer.set_weights([fit.kernel, fit.bias])
    prove_stitched(phase.name, classifier, frozen, run.console)
    logits = {
        name: codes.answer(name, fit.kernel, fit.bias)
        for name in ("train", "validation")
    }
    train_metrics, _ = run.summarize("train", logits["train"])
    metrics, scores = run.summarize("validation", logits["validation"])
    seconds = time.perf_counter() - started
    run.history.add(
        {
            "phase": phase.name,
            "epoch": 1,
            "step": 0,
            **{f"train/{key}": value for key, value in train_metrics.items()},
            **{f"val/{key}": value for key, value in metrics.items()},
            "seconds": round(seconds, 3),
        }
    )
    run.console.line(
        f"{phase.name}: solved for {phase.solve_num_strengths} strengths, "
        f"lambda {fit.l2:.3g}  val/loss {metrics['loss']:.4f}  "
        f"val/{run.metric} {metrics[run.metric]:.4f}"
    )
    return PhaseResult(
        PhaseOutcome(
            phase=phase.name,
            best=BestWeights(
                file=run.checkpoints.save_weights(classifier.model, phase.name),
                epoch=1,
                metrics=metrics,
                scores=scores.tolist(),
            ),
            seconds=seconds,
            stopped="",
            trainable_parameters=fit.kernel.size + fit.bias.size,
            details=PhaseDetails(
                l2=fit.l2,
                tried=tuple((l2, _as_number(*rank)) for l2, rank in fit.tried),
            ),
        ),
        frozen=frozen if frozen.is_exact else None,
        timings={"seconds/features": seconds_features},
    )


def _expect(
    phase: ResolvedPhase, run: RunContext, left: TimeLeft, extracting: float
) -> None:
    """Tells how long the phase will take, and whether there is the time."""
    (size,) = run.classifier.codes.shape[1:]
    columns = run.dataset.num_classes * phase.solve_num_strengths
    solving = _solving_seconds(
        len(run.dataset.splits["train"]), int(size), columns
    )
    run.console.line(
        f"{phase.name}: a pass over the images, then "
        f"{phase.solve_num_strengths} strengths: about {extracting:.1f} + "
        f"{solving:.1f} s"
    )
    if left.seconds() < extracting + solving:
        raise TooLittleTimeError(phase.name, extracting + solving)


def _solving_seconds(num_images: int, size: int, columns: int) -> float:
    """Returns what the solver's products of codes and kernels will take."""
    rows = min(num_images, TIMED_ROWS)
    codes = np.ones((rows, size), np.float32)
    kernels = np.ones((size, columns), np.float32)
    codes @ kernels  # wakes the threads
    begun = time.perf_counter()
    codes @ kernels
    once = (time.perf_counter() - begun) * num_images / rows
    return 2 * USUAL_ITERATIONS * once


def _as_number(metric: float, negative_loss: float) -> float:
    """Returns a rank as `result.json` holds it: one number, ties told apart."""
    return metric - 1e-6 * min(-negative_loss, 100.0)
