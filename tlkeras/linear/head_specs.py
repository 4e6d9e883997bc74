"""What training many heads at once takes, and what it gives."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from tlkeras.optim.losses import Loss


@dataclasses.dataclass(frozen=True)
class HeadSettings:
    """How one head trains.

    Attributes:
        rates: float [S], the learning rate of each step.
        l1: Of l1 |W|.
        l2: Of l2 / 2 ||W||^2.
        dropout: Rate on the codes, in [0, 1).
        momentum: Nesterov's, of sgd.
        weight_decay: Decoupled, of the kernel.
        label_smoothing: In [0, 1); svm heads know none.
    """

    rates: np.ndarray
    l1: float = 0.0
    l2: float = 0.0
    dropout: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    label_smoothing: float = 0.0


@dataclasses.dataclass(frozen=True)
class HeadData:
    """What all heads of a computation train and are measured on.

    Attributes:
        codes: float32 [N, d].
        targets: float32 [N, C] multi-hot.
        weights: [N] of the images' losses, or None.
        summarize: Validation logits [M, C] -> metrics with `loss`.
        validation_codes: float32 [M, d].
    """

    codes: np.ndarray
    targets: np.ndarray
    weights: np.ndarray | None
    summarize: Callable[[np.ndarray], dict[str, float]]
    validation_codes: np.ndarray


@dataclasses.dataclass(frozen=True)
class HeadPlan:
    """What all heads of a computation share.

    Attributes:
        loss: Row of `optim.losses.LOSSES`.
        optimizer: Key of `STEPS`.
        batches: Rows of the codes, int [B], for each step.
        steps_per_epoch: Steps after which validation is measured.
        kernel: Initial float32 [d, C]; biases start at 0.
        seed: Of dropout.
        metric: Name of the validation metric that chooses the epoch.
        divergence_factor: A head ends above so many times its initial loss.
    """

    loss: Loss
    optimizer: str
    batches: Sequence[np.ndarray]
    steps_per_epoch: int
    kernel: np.ndarray
    seed: int
    metric: str
    divergence_factor: float


@dataclasses.dataclass
class TrainedHead:
    """A head at its best epoch, and its course.

    Attributes:
        kernel: float32 [d, C].
        bias: float32 [C].
        epoch: Finished epochs at its best, from 1; 0 if it never got there.
        history: One row an epoch: `train/loss`, `val/loss`, `val/METRIC`.
        stopped: Why it was ended early, or "".
        seconds: Wall clock; of heads trained together, a share of it.
    """

    kernel: np.ndarray
    bias: np.ndarray
    epoch: int = 0
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)
    stopped: str = ""
    seconds: float = 0.0
