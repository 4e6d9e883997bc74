"""Trials on cached codes: which heads train together, and what they give."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from keras import ops
from ml_collections import ConfigDict

from tlkeras.data.batches import row_batches
from tlkeras.data.epoch import steps_per_epoch, stream_seed
from tlkeras.evaluation.metrics import primary_metric
from tlkeras.linear.batched_heads import train_heads
from tlkeras.linear.head_specs import (
    HeadData,
    HeadPlan,
    HeadSettings,
    TrainedHead,
)
from tlkeras.models.heads import INITIALIZERS
from tlkeras.optim.schedules import SCHEDULES, PhaseSchedule, ScheduleArgs
from tlkeras.tuning.trials.codes import HeadCodes
from tlkeras.tuning.trials.head_job import HeadJob, make_job
from tlkeras.tuning.trials.lone_head import train_lone_head


def run_head_trials(
    configs: Sequence[ConfigDict],
    codes: HeadCodes,
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[dict[int, TrainedHead]]:
    """Trains the heads of some trials, together where that is possible.

    Args:
        configs: One a trial.
        codes: Of the images.
        is_over: Asked before heads begin and after each epoch; True ends all
            where they stand, and begins no others.

    Yields:
        Place in `configs` -> head, for some at a time, as soon as they are
        trained; heads that did not begin are left out. Of those trained alone
        with layers of their own, kernel and bias are the last layer's.
    """
    num_images = len(codes.codes["train"])
    jobs = [make_job(config, num_images) for config in configs]
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, job in enumerate(jobs):
        alone = () if job.is_batchable else (number,)
        groups.setdefault((*job.shared, *alone), []).append(number)
    for members in groups.values():
        if is_over():
            return
        group = [jobs[i] for i in members]
        for heads in _train_group(group, codes, is_over):
            yield {members[place]: head for place, head in heads.items()}


def _train_group(
    jobs: Sequence[HeadJob], codes: HeadCodes, is_over: Callable[[], bool]
) -> Iterator[dict[int, TrainedHead]]:
    first = jobs[0]
    weights = None
    if first.config.data.class_weighting != "none":
        weights = codes.class_weights
    data = HeadData(
        codes.codes["train"],
        codes.targets["train"],
        weights,
        functools.partial(codes.summarize, loss=first.head.loss),
        codes.codes["validation"],
    )
    batches, steps = _batches(first, len(data.codes))
    if not first.is_batchable:
        head = train_lone_head(
            first.config,
            first.phase,
            first.optimizer,
            data,
            batches,
            steps,
            is_over=is_over,
        )
        yield {0: head}
        return
    num_classes = data.targets.shape[1]
    make = INITIALIZERS[first.config.model.head_initializer]
    kernel = make(first.config.seed)((codes.size, num_classes), "float32")
    plan = HeadPlan(
        loss=first.head.loss,
        optimizer=first.optimizer.optimizer,
        batches=batches,
        steps_per_epoch=steps,
        kernel=ops.convert_to_numpy(kernel),
        seed=stream_seed(first.config.seed, "head dropout"),
        metric=primary_metric(first.head.multi_label),
        divergence_factor=first.phase.divergence_factor,
    )
    settings = [_settings(job, len(batches)) for job in jobs]
    yield from train_heads(settings, data, plan, is_over=is_over)


def _batches(job: HeadJob, num_images: int) -> tuple[list[np.ndarray], int]:
    """Returns the rows [B] of each step, the trainer's own; steps an epoch."""
    phase = job.phase
    order = row_batches(
        num_images,
        batch_size=phase.batch_size,
        seed=stream_seed(job.config.seed, phase.name),
        first_epoch=0,
        num_epochs=phase.epochs,
    )
    steps = steps_per_epoch(num_images, phase.batch_size)
    return [rows for _, _, rows in order], steps


def _settings(job: HeadJob, num_steps: int) -> HeadSettings:
    spec, model = job.optimizer, job.config.model
    return HeadSettings(
        rates=_step_rates(spec.learning_rate, num_steps),
        l1=model.head_l1,
        l2=model.head_l2,
        dropout=model.dropout,
        momentum=spec.momentum,
        weight_decay=spec.weight_decay,
        label_smoothing=job.phase.label_smoothing,
    )


def _step_rates(rate: float | PhaseSchedule, num_steps: int) -> np.ndarray:
    """Returns the rate of each step, float32 [S]."""
    if not isinstance(rate, PhaseSchedule):
        return np.full(num_steps, rate, np.float32)
    shape = _schedule_shape(
        rate.name, rate.args, rate.steps_per_epoch, num_steps
    )
    return np.float32(rate.peak_rate) * shape


@functools.lru_cache
def _schedule_shape(
    name: str, args: ScheduleArgs, steps: int, num_steps: int
) -> np.ndarray:
    """Returns the fraction of the peak rate at each step, [S]."""
    t = np.arange(num_steps, dtype=np.float32) / np.float32(steps)
    return ops.convert_to_numpy(SCHEDULES[name](ops.convert_to_tensor(t), args))
