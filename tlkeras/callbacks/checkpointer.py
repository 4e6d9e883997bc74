"""Committing an epoch: best weights first, then the whole state at once."""

from collections.abc import Callable

import keras

# Takes the number of finished epochs.
Commit = Callable[[int], None]


class Checkpointer(keras.callbacks.Callback):
    """Calls `commit` as the last thing of each epoch.

    Args:
        commit: Keeps the weights if they are the best, and writes the state.
        should_commit: Says whether the epoch counts; a diverged one does not.
    """

    def __init__(
        self, commit: Commit, should_commit: Callable[[], bool]
    ) -> None:
        super().__init__()
        self.commit = commit
        self.should_commit = should_commit

    def on_epoch_end(
        self, epoch: int, logs: dict[str, float] | None = None
    ) -> None:
        """Commits the epoch."""
        if self.should_commit():
            self.commit(epoch + 1)
