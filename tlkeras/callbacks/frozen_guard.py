"""After the first step of a phase, what it freezes must be what it was."""

from collections.abc import Callable, Iterable

import keras

from tlkeras.models.snapshot import checksums


class FrozenGuard(keras.callbacks.Callback):
    """Compares variables before and after the first step of `fit`.

    Args:
        variables: That must not change; of the whole classifier, whichever
            part of it `fit` trains.
        report: Told the paths of those that did, once.
    """

    def __init__(
        self,
        variables: Iterable[keras.Variable],
        report: Callable[[set[str]], None],
    ) -> None:
        super().__init__()
        self.variables = list(variables)
        self.report = report
        self._before: dict[str, int] | None = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Notes what the variables are."""
        self._before = checksums(self.variables)

    def on_train_batch_end(
        self, batch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Compares, after the first step only."""
        if self._before is None:
            return
        before, self._before = self._before, None
        _ = self.model  # on JAX this puts the weights where they are read
        after = checksums(self.variables)
        self.report({path for path in after if after[path] != before[path]})
