"""What a callback must do to survive a restart."""

from typing import Any

import keras


class StatefulCallback(keras.callbacks.Callback):
    """A callback whose state is part of the checkpoint.

    Keras' callbacks reset themselves in `on_train_begin`, so that a resumed
    `fit` would forget; here the restored state is put back after the reset.
    """

    state_names: tuple[str, ...] = ()
    _restored: dict[str, Any] | None = None

    def get_state(self) -> dict[str, Any]:
        """Returns the state as JSON-ready values."""
        return {name: getattr(self, name) for name in self.state_names}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Keeps a state until training begins."""
        self._restored = state

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Lets the callback reset, then puts the restored state back."""
        super().on_train_begin(logs)
        for name, value in (self._restored or {}).items():
            setattr(self, name, value)
