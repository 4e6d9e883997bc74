"""How much one step changes the weights of each group."""

from collections.abc import Mapping, Sequence

import keras

from tlkeras.optim.update_ratio import update_ratio, values_of


class UpdateRatios(keras.callbacks.Callback):
    """Adds `update_ratio/GROUP` to the epoch's logs, from its middle step.

    Args:
        groups: Group -> its trainable variables.
        steps: An epoch.
    """

    def __init__(
        self, groups: Mapping[str, Sequence[keras.Variable]], steps: int
    ) -> None:
        super().__init__()
        self.groups = groups
        self.step = steps // 2
        self._ratios: dict[str, float] = {}

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Forgets the epoch before."""
        self._ratios = {}

    def on_train_batch_begin(
        self, batch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Keeps the weights before the step."""
        if batch == self.step:
            _ = self.model  # on JAX this puts the weights where they are read
            self._before = values_of(
                v for variables in self.groups.values() for v in variables
            )

    def on_train_batch_end(
        self, batch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Compares them with those after it."""
        if batch == self.step:
            _ = self.model
            self._ratios = {
                name: update_ratio(variables, self._before)
                for name, variables in self.groups.items()
            }
            self._before = {}

    def on_epoch_end(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Writes the ratios into the logs."""
        if logs is not None:
            logs.update(
                {f"update_ratio/{k}": v for k, v in self._ratios.items()}
            )
