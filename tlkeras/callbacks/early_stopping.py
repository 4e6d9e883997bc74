"""Early stopping that survives a restart."""

import keras

from tlkeras.callbacks.stateful import StatefulCallback


class EarlyStopping(StatefulCallback, keras.callbacks.EarlyStopping):
    """Keras' `EarlyStopping` with its state in the checkpoint.

    It does not restore weights: the best ones are kept by `Checkpointer`
    whether or not the phase stops early.
    """

    state_names = ("wait", "best", "best_epoch", "stopped_epoch")
