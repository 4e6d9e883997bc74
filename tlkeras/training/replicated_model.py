"""Models that Keras trains on several replicas without losing anything.

Two faults of Keras are met here, in methods that are Keras' own business; so
this holds for the versions that it was tried with, and for no other.
"""

from typing import Any, TypeVar

import keras
from keras import ops

from tlkeras.errors import InputError
from tlkeras.models.split import alone

# tests/training/distribution_test.py shows both faults in these.
TESTED_KERAS = ("3.15.1",)

Kind = TypeVar("Kind", bound=keras.Model)


def require_tested_keras(version: str = keras.__version__) -> None:
    """Makes sure that this version's faults are known.

    Raises:
        InputError: If nobody looked at them.
    """
    if version not in TESTED_KERAS:
        raise InputError(
            f"Keras {version} was never tried on several devices, where other "
            "versions lose batches silently; expected Keras "
            f"{' or '.join(TESTED_KERAS)}: install it, or set "
            "--config.runtime.devices=one."
        )


class ReplicatedModel(keras.Model):
    """A functional model to be trained under a strategy of `tf.distribute`.

    Before it trains, Keras takes a batch from the iterator to build metrics
    and loss by its shape: a generator has lost it then. Here the model's own
    shapes serve.
    """

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compiles without XLA, which cannot reduce over replicas."""
        super().compile(*args, **{**kwargs, "jit_compile": False})

    def _maybe_symbolic_build(
        self, iterator: Any = None, data_batch: Any = None
    ) -> None:
        with self.distribute_strategy.scope():
            self._symbolic_build(
                data_batch=(alone(self.inputs), alone(self.outputs))
            )


class WorkersModel(ReplicatedModel):
    """The same where the replicas are in several processes.

    There Keras takes the mean of a step's logs over their first axis, which a
    scalar has not.
    """

    def train_step(self, data: Any) -> dict[str, Any]:
        """Returns the logs of a step, [1] each."""
        logs = super().train_step(data)
        return {name: ops.reshape(value, (1,)) for name, value in logs.items()}


def twin_of(model: keras.Model, kind: type[Kind]) -> Kind:
    """Returns a model of the same layers; it knows the scope it is made in.

    Args:
        model: Functional, of one output.
        kind: Class of the twin.
    """
    return kind(alone(model.inputs), alone(model.outputs), name=model.name)
