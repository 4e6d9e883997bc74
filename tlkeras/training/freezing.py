"""What a phase of a run freezes: layers, and the part that runs once."""

from tlkeras.models.batch_norm import adapt_batch_norm
from tlkeras.models.classifier import freeze_at
from tlkeras.models.cutoffs import explain_start
from tlkeras.models.split import choose_cut
from tlkeras.training.context import RunContext
from tlkeras.training.frozen_part import Expect, FrozenPart, build_frozen_part
from tlkeras.training.phase_plan import planned
from tlkeras.training.phases import ResolvedPhase
from tlkeras.training.progress import RunProgress


def freeze_phase(phase: ResolvedPhase, run: RunContext, *, adapt: bool) -> None:
    """Freezes as a phase says, and tells people.

    Args:
        phase: About to begin, or to go on.
        run: Whose classifier is changed.
        adapt: Whether `batch_norm="adapt"` is still to be done.
    """
    counts = freeze_at(
        run.classifier, phase.cutoff, batch_norm=phase.batch_norm
    )
    backbone = run.classifier.backbone
    if meaning := explain_start(backbone, phase.trainable_from):
        run.console.line(f"{phase.name}: {meaning}")
    run.console.line(
        f"{phase.name}: {counts['trainable_layers']} backbone layers train, "
        f"{counts['frozen_layers']} are frozen; BatchNormalization "
        f"'{phase.batch_norm}': {counts['batch_norm_layers']} layers, "
        f"{counts['batch_norm_training']} in training mode"
    )
    if adapt and phase.batch_norm == "adapt":
        count = adapt_batch_norm(run.classifier, run.shuffled_images())
        run.console.line(
            f"{phase.name}: re-estimated {count} BatchNormalizations"
        )


def freeze_below(
    phase: ResolvedPhase, run: RunContext, expect: Expect | None = None
) -> FrozenPart | None:
    """Returns the frozen part of a phase, or None where everything trains.

    Args:
        phase: On a classifier that is frozen as it says.
        run: Its images.
        expect: As for `build_frozen_part`.
    """
    if phase.cutoff == 0:
        return None
    cut, uses = phase.cutoff, 1
    if phase.method != "solve":
        cut = choose_cut(run.classifier.backbone, phase.cutoff)
        uses = phase.epochs
    return build_frozen_part(
        phase,
        run.config,
        run.classifier,
        run.dataset.splits,
        run.console,
        cut=cut,
        uses=uses,
        expect=expect,
    )


def frozen_as_trained(
    run: RunContext, progress: RunProgress
) -> FrozenPart | None:
    """Returns the frozen part that the last phase would have handed on.

    A run that was stopped after its last phase computes its logits on the
    same path as one that was not, and so to the same bits.

    Args:
        run: With the chosen weights in the model.
        progress: After its last phase, which ran in another process.
    """
    last = progress.outcomes[-1]
    if not last.kept or last.stopped:
        return None
    (phase,) = [phase for phase in run.phases if phase.name == last.phase]
    phase = planned(phase, progress.plans.get(last.phase))
    freeze_phase(phase, run, adapt=False)
    frozen = freeze_below(phase, run)
    return frozen if frozen and frozen.is_exact else None
