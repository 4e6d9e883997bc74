"""Training one head on codes with Keras: what the batched way cannot express.

Adaptation layers, other optimizers, clipping, max-norm, early stopping.
"""

import dataclasses
import time
from collections.abc import Callable, Generator, Sequence

import keras
import numpy as np
from ml_collections import ConfigDict

from tlkeras.callbacks.validation import Validation
from tlkeras.data.parallel import for_fit, lent
from tlkeras.evaluation.metrics import primary_metric
from tlkeras.linear.head_specs import HeadData, TrainedHead
from tlkeras.models.heads import (
    HEADS,
    LOGITS,
    build_head,
    split_model_section,
)
from tlkeras.models.inference import run_batches
from tlkeras.models.layer_groups import HEAD
from tlkeras.optim.multi_optimizer import build_group_optimizer
from tlkeras.optim.optimizers import OptimizerSpec
from tlkeras.ranking import rank_key
from tlkeras.training.assembly import compile_model
from tlkeras.training.phases import Phase, group_rate, group_spec
from tlkeras.training.stopping import build_guard, plateau_callbacks


def head_optimizer(phase: Phase, steps_per_epoch: int) -> OptimizerSpec:
    """Returns how a phase trains the head, as the trainer reads it."""
    rate = group_rate(phase, HEAD)
    return group_spec(phase, HEAD, rate, steps_per_epoch)


def build_lone_head(
    config: ConfigDict,
    phase: Phase,
    spec: OptimizerSpec,
    *,
    size: int,
    num_classes: int,
    metrics: Sequence[keras.metrics.Metric] = (),
) -> keras.Model:
    """Builds and compiles codes [N, d] -> logits [N, C].

    Args:
        config: Its `model` section says which head.
        phase: That trains it.
        spec: Its optimizer, from `head_optimizer`.
        size: Numbers d in a code.
        num_classes: C.
        metrics: That `fit` shows.
    """
    head, _ = split_model_section(config.model.to_dict())
    codes = keras.Input((size,), name="codes")
    logits = build_head(
        codes,
        head,
        num_classes=num_classes,
        seed=config.seed,
    )
    network = keras.Model(codes, logits, name="head")
    variables = network.trainable_variables
    compile_model(
        phase,
        network,
        build_group_optimizer(
            {HEAD: variables},
            {HEAD: spec},
            variables,
            joint_clipnorm=phase.global_clipnorm,
        ),
        loss=HEADS[head.kind].loss,
        metrics=metrics,
    )
    return network


class _Course(keras.callbacks.Callback):
    """Keeps each epoch's row, and the last layer at its best."""

    def __init__(
        self,
        validation: Validation,
        is_over: Callable[[], bool],
    ) -> None:
        super().__init__()
        self.validation = validation
        self.is_over = is_over
        self.metric = ""
        self.trained: TrainedHead | None = None

    def on_epoch_end(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        if self.validation.guard.reason or self.trained is None:
            return
        metrics = self.validation.metrics
        row = {"train/loss": float((logs or {})["loss"])}
        row |= {f"val/{name}": value for name, value in metrics.items()}
        history = self.trained.history
        history.append(row)

        def score(one: dict[str, float]) -> tuple[float, float]:
            return rank_key(one[f"val/{self.metric}"], one["val/loss"])

        best = self.trained.epoch
        if not best or score(row) > score(history[best - 1]):
            kernel, bias = self.model.get_layer(LOGITS).get_weights()
            self.trained = dataclasses.replace(
                self.trained, kernel=kernel, bias=bias, epoch=len(history)
            )
        if self.is_over():
            self.model.stop_training = True


def train_lone_head(
    config: ConfigDict,
    phase: Phase,
    spec: OptimizerSpec,
    data: HeadData,
    batches: Sequence[np.ndarray],
    steps_per_epoch: int,
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> TrainedHead:
    """Trains one head with Keras and returns it at its best epoch.

    Args:
        config: Of the trial.
        phase: That trains the head.
        spec: Its optimizer.
        data: Codes and targets.
        batches: Rows of each step, int [B].
        steps_per_epoch: Steps after which validation is measured.
        is_over: Asked after each epoch; True ends the head where it stands.
    """
    started = time.perf_counter()
    kind = HEADS[config.model.head]
    num_classes = data.targets.shape[1]
    network = build_lone_head(
        config, phase, spec, size=data.codes.shape[1], num_classes=num_classes
    )
    guard = build_guard(phase, kind.loss, num_classes)

    def evaluate() -> tuple[dict[str, float], np.ndarray]:
        logits = run_batches(network, [data.validation_codes])
        if not np.isfinite(logits).all():
            return {"loss": float("nan")}, np.zeros(len(logits))
        return data.summarize(logits), np.zeros(len(logits))

    validation = Validation(evaluate, guard)
    course = _Course(validation, is_over)
    course.metric = primary_metric(kind.multi_label)
    course.trained = TrainedHead(*network.get_layer(LOGITS).get_weights())
    with lent(_rows(data, batches)) as rows:
        network.fit(
            for_fit(rows),
            epochs=phase.epochs,
            steps_per_epoch=steps_per_epoch,
            callbacks=[
                guard,
                validation,
                *plateau_callbacks(phase, course.metric),
                course,
            ],
            shuffle=False,
            verbose=0,
        )
    return dataclasses.replace(
        course.trained,
        stopped=guard.reason,
        seconds=time.perf_counter() - started,
    )


def _rows(
    data: HeadData, batches: Sequence[np.ndarray]
) -> Generator[tuple[np.ndarray, ...]]:
    """Yields codes [B, d], targets [B, C] and weights [B], if any, of steps."""
    for rows in batches:
        weights = () if data.weights is None else (data.weights[rows],)
        yield data.codes[rows], data.targets[rows], *weights
