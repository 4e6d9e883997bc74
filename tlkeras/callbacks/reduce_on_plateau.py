"""Lowering every group's rate on a plateau, also across a restart."""

import keras

from tlkeras.callbacks.stateful import StatefulCallback


class ReduceLROnPlateau(StatefulCallback, keras.callbacks.ReduceLROnPlateau):
    """Keras' `ReduceLROnPlateau` with its state in the checkpoint.

    The rates themselves are optimizer variables and are saved with them.
    """

    state_names = ("wait", "best", "cooldown_counter")
