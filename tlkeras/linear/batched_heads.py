"""Training many linear heads at once on the same codes.

The heads of all trials lie side by side in one matrix [d, T C]: one product
gives the logits of all, one gives all slopes. Each head has its own rate,
schedule, penalties, dropout, momentum and smoothing, and ends like a head that
Keras trains alone on the same batches (a test says so). A head that diverges is
taken out; it cannot disturb the others, since columns never mix.
"""

import itertools
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from tlkeras.linear.head_specs import (
    HeadData,
    HeadPlan,
    HeadSettings,
    TrainedHead,
)
from tlkeras.linear.head_steps import STEPS
from tlkeras.optim.divergence import Divergence
from tlkeras.optim.losses import Loss
from tlkeras.ranking import WORST, rank_key
from tlkeras.tables import lookup

# Numbers in a matrix of heads; more heads are trained in turns.
MAX_VALUES = 2**23
BROKEN = {"loss": math.nan}  # metrics of logits that are not finite


def train_heads(
    settings: Sequence[HeadSettings],
    data: HeadData,
    plan: HeadPlan,
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> Iterator[dict[int, TrainedHead]]:
    """Trains heads at once, each with settings of its own.

    Args:
        settings: One a head, T in all.
        data: Codes and targets.
        plan: What they share.
        is_over: Asked before some heads begin and after each of their epochs;
            True ends all where they stand, and begins no others.

    Yields:
        Place in `settings` -> head, at the epoch with the best validation
        metric; for some heads at a time, as soon as they are trained. Heads
        that did not begin are left out.
    """
    threads = os.cpu_count() or 1
    room = max(1, MAX_VALUES // plan.kernel.size)
    size = max(1, min(room, -(-len(settings) // threads)))
    # Heads with one dropout rate share a product: they lie side by side.
    order = sorted(range(len(settings)), key=lambda i: settings[i].dropout)
    parts = [order[i : i + size] for i in range(0, len(order), size)]

    def train(part: list[int]) -> dict[int, TrainedHead]:
        if is_over():
            return {}
        started = time.perf_counter()
        batch = _HeadBatch([settings[i] for i in part], data, plan)
        heads = batch.train(is_over)
        seconds = time.perf_counter() - started
        for head in heads:
            head.seconds = seconds / len(part) / min(threads, len(parts))
        return dict(zip(part, heads, strict=True))

    # A thread for some heads, instead of many for each product: what is not a
    # product runs in parallel too, and a busy core holds nobody up.
    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        yield from pool.map(train, parts)


def dropout_uniforms(
    seed: int, step: int, shape: tuple[int, ...]
) -> np.ndarray:
    """Returns numbers in 0..1 that decide dropout in a step, float32 [B, d].

    A code stays in a head where its number is at least the head's rate: heads
    with other rates, or alone, see the same numbers.
    """
    rng = np.random.default_rng([seed, step])
    return rng.random(shape, np.float32)


class _HeadBatch:
    """Heads in training; arrays shrink when one is taken out.

    Column k of the matrices belongs to head k // C.
    """

    def __init__(
        self,
        settings: Sequence[HeadSettings],
        data: HeadData,
        plan: HeadPlan,
    ) -> None:
        self.data, self.plan = data, plan
        self.num_classes = plan.kernel.shape[1]
        self.divergence = Divergence(
            plan.divergence_factor,
            plan.loss.expected_at_zero(self.num_classes),
        )
        self.settings = list(settings)
        count = len(self.settings)
        self.kernel = np.tile(plan.kernel.astype(np.float32), (1, count))
        self.bias = np.zeros(count * self.num_classes, np.float32)
        make = lookup(STEPS, plan.optimizer, what="batched optimizer")
        self.optimizer = make(self.kernel.shape)
        self.heads = [
            TrainedHead(
                plan.kernel.astype(np.float32),
                np.zeros(self.num_classes, np.float32),
            )
            for _ in settings
        ]
        self.alive = list(range(count))
        self.initial = np.zeros(count)  # loss of each head's first step
        self._spread()

    def _spread(self) -> None:
        """Lays the living heads' constants out as columns."""
        alive = [self.settings[i] for i in self.alive]

        def column(values: list[float]) -> np.ndarray:
            array = np.array(values, np.float32)
            return np.repeat(array, self.num_classes)

        self.l1 = column([s.l1 for s in alive])
        self.l2 = column([s.l2 for s in alive])
        self.momentum = column([s.momentum for s in alive])
        self.decay = column([s.weight_decay for s in alive])
        self.rates = np.array([s.rates for s in alive], np.float32)
        self.smoothing = np.array([s.label_smoothing for s in alive], "f4")
        dropout = np.array([s.dropout for s in alive], np.float32)
        starts = [0, *(np.flatnonzero(np.diff(dropout)) + 1), len(alive)]
        # (dropout rate, its columns): heads of one rate lie side by side.
        self.groups = [
            (
                dropout[first],
                slice(first * self.num_classes, end * self.num_classes),
            )
            for first, end in itertools.pairwise(starts)
        ]

    def train(self, is_over: Callable[[], bool]) -> list[TrainedHead]:
        """Runs all steps; returns the heads in the order of the settings."""
        steps = self.plan.steps_per_epoch
        sums = np.zeros(len(self.alive))
        with np.errstate(all="ignore"):  # heads may diverge; they are ended
            for number, rows in enumerate(self.plan.batches):
                if not self.alive:
                    break
                place = number % steps
                sums = np.zeros(len(self.alive)) if place == 0 else sums
                sums = sums + self._step(number, rows)
                sums = sums[self._quit(sums / (place + 1), number, place)]
                if place == steps - 1:
                    self._validate(sums / steps)
                    if is_over():
                        break
        return self.heads

    def _step(self, number: int, rows: np.ndarray) -> np.ndarray:
        """Makes one step; returns each head's loss before it, [T]."""
        codes, count = self.data.codes[rows], len(self.alive)
        masked = self._masked(number, codes)
        logits = np.empty((len(rows), self.kernel.shape[1]), np.float32)
        for inputs, columns in masked:
            np.matmul(inputs, self.kernel[:, columns], out=logits[:, columns])
        logits += self.bias
        targets = smooth_targets(
            self.data.targets[rows], self.smoothing, self.plan.loss
        )
        losses, slopes = self.plan.loss.value_and_slope(
            logits.reshape(len(rows), count, -1), targets
        )
        if self.data.weights is not None:
            each = self.data.weights[rows].astype(np.float32)
            losses = losses * each[:, None]
            slopes = slopes * each[:, None, None]
        slopes = slopes.reshape(logits.shape)
        slopes /= len(rows)
        gradient = np.empty_like(self.kernel)
        for inputs, columns in masked:
            np.matmul(inputs.T, slopes[:, columns], out=gradient[:, columns])
        penalty = self._add_penalties(gradient)
        rate = np.repeat(self.rates[:, number], self.num_classes)
        self.optimizer.step(
            self.kernel,
            self.bias,
            gradient,
            slopes.sum(0),
            rate,
            momentum=self.momentum,
            decay=self.decay,
        )
        return losses.mean(0, dtype=np.float64) + penalty

    def _masked(
        self, number: int, codes: np.ndarray
    ) -> list[tuple[np.ndarray, slice]]:
        """Returns the codes as the heads of each dropout rate see them."""
        if self.groups[-1][0] == 0:
            return [(codes, self.groups[-1][1])]
        uniforms = dropout_uniforms(self.plan.seed, number, codes.shape)
        return [
            (codes * (uniforms >= rate) / np.float32(1 - rate), columns)
            if rate
            else (codes, columns)
            for rate, columns in self.groups
        ]

    def _add_penalties(self, gradient: np.ndarray) -> np.ndarray:
        """Adds the penalties' slopes; returns the penalties, [T]."""
        penalty = np.zeros(self.kernel.shape[1])
        if self.l2.any():
            pull = self.kernel * self.l2
            gradient += pull
            penalty += 0.5 * np.einsum("ij,ij->j", pull, self.kernel)
        if self.l1.any():
            gradient += np.sign(self.kernel) * self.l1
            penalty += self.l1 * np.abs(self.kernel).sum(0)
        return penalty.reshape(len(self.alive), -1).sum(1)

    def _quit(self, means: np.ndarray, number: int, place: int) -> np.ndarray:
        """Ends heads whose loss broke; returns the places of the others."""
        if number == 0:
            first = map(self.divergence.initial_loss, means)
            self.initial = np.array(list(first))
        # Most steps end no head: words are made only where one is needed.
        if (means <= self.divergence.bound(self.initial)).all():
            return np.arange(len(means))
        reasons = [
            self._describe_break(loss, initial, place)
            for loss, initial in zip(means, self.initial, strict=True)
        ]
        for head, loss, reason in zip(self.alive, means, reasons, strict=True):
            if reason and math.isfinite(loss):  # the end of its curve
                self.heads[head].history.append({"train/loss": float(loss)})
        return self._end(reasons)

    def _describe_break(self, loss: float, initial: float, place: int) -> str:
        reason = self.divergence.describe(loss, initial=initial)
        if reason and not math.isfinite(loss):
            return f"{reason} at step {place + 1} of the epoch"
        return reason

    def _end(self, reasons: Sequence[str]) -> np.ndarray:
        """Takes heads with a reason out; returns the places of the others."""
        kept = np.array([not reason for reason in reasons])
        if kept.all():
            return np.arange(len(kept))
        for head, reason in zip(self.alive, reasons, strict=True):
            self.heads[head].stopped = reason
        columns = np.repeat(kept, self.num_classes)
        self.kernel = self.kernel[:, columns]
        self.bias = self.bias[columns]
        self.optimizer.keep(columns)
        self.initial = self.initial[kept]
        self.alive = [
            h for h, keep in zip(self.alive, kept, strict=True) if keep
        ]
        if self.alive:
            self._spread()
        return np.flatnonzero(kept)

    def _validate(self, train_losses: np.ndarray) -> None:
        """Measures the living heads, keeps what is best, ends the broken."""
        logits = self.data.validation_codes @ self.kernel + self.bias
        shape = (len(logits), len(self.alive), self.num_classes)
        reasons = []
        for place, answers in enumerate(
            np.moveaxis(logits.reshape(shape), 1, 0)
        ):
            head = self.heads[self.alive[place]]
            reasons.append(
                self._measure(head, place, answers, float(train_losses[place]))
            )
        self._end(reasons)

    def _measure(
        self,
        head: TrainedHead,
        place: int,
        logits: np.ndarray,
        train_loss: float,
    ) -> str:
        """Adds an epoch to a head's history; returns why it is over, or ""."""
        is_finite = np.isfinite(logits).all()
        metrics = self.data.summarize(logits) if is_finite else BROKEN
        reason = self.divergence.describe_validation(
            metrics["loss"], initial=self.initial[place]
        )
        if reason:
            return reason
        row = {"train/loss": train_loss}
        row |= {f"val/{name}": value for name, value in metrics.items()}
        best = _score(head.history, head.epoch, self.plan.metric)
        head.history.append(row)
        if _score(head.history, len(head.history), self.plan.metric) > best:
            head.epoch = len(head.history)
            columns = slice(
                place * self.num_classes, (place + 1) * self.num_classes
            )
            head.kernel = self.kernel[:, columns].copy()
            head.bias = self.bias[columns].copy()
        return ""


def _score(
    history: list[dict[str, float]], epoch: int, metric: str
) -> tuple[float, float]:
    """Returns what an epoch, counted from 1, ranks by; 0 is none."""
    if not epoch:
        return WORST
    row = history[epoch - 1]
    return rank_key(row[f"val/{metric}"], row["val/loss"])


def smooth_targets(
    targets: np.ndarray, smoothing: np.ndarray, loss: Loss
) -> np.ndarray:
    """Returns targets [B, T, C], or [B, 1, C] where no head smooths.

    Args:
        targets: [B, C] multi-hot.
        smoothing: [T] in 0..1, of each head.
        loss: Row of `optim.losses.LOSSES`.
    """
    wanted = targets[:, None, :]
    if loss.smooth_target is None or not smoothing.any():
        return wanted
    share = smoothing[None, :, None]
    return wanted * (1 - share) + share * loss.smooth_target(targets.shape[1])
