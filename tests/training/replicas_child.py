"""What tests of several devices run in processes of their own.

Logical devices are set, and processes meet, before TensorFlow computes. Each
command prints one line of JSON.
"""

import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from small_run_fields import SMALL_RUN

from tlkeras import train_and_evaluate, workdir
from tlkeras.config import get_config
from tlkeras.optim.multi_optimizer import build_group_optimizer
from tlkeras.optim.optimizers import OptimizerSpec
from tlkeras.training.distribution import open_devices
from tlkeras.training.history import History
from tlkeras.training.one_device import ONE

BATCH, STEPS = 8, 6


def divide_processor():
    """Makes two devices of one processor."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )


def examples():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH * STEPS, 6)).astype(np.float32)
    return x, np.eye(3, dtype=np.float32)[rng.integers(0, 3, len(x))]


def batches(place):
    x, y = examples()
    while True:
        for begin in range(0, len(x), BATCH):
            rows = place.part_of(np.arange(begin, begin + BATCH))
            yield x[rows], y[rows]


def build(distribution, **settings):
    """Returns a small compiled network with two groups of layers."""
    keras.utils.set_random_seed(1)
    with distribution.scope():
        inputs = keras.Input((6,))
        hidden = keras.layers.Dense(5, activation="relu")(inputs)
        network = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    is_plain = settings.pop("is_plain", False)
    with distribution.scope():
        model = (
            keras.Model(inputs, network.output)
            if is_plain
            else distribution.trained(network)
        )
        variables = model.trainable_variables
        clipnorm = settings.pop("clipnorm", None)
        optimizer = build_group_optimizer(
            {"lower": variables[:2], "head": variables[2:]},
            {
                "lower": OptimizerSpec("adamw", 1e-2, 1e-3),
                "head": OptimizerSpec("sgd", 0.1, clipnorm=clipnorm),
            },
            variables,
            shared=distribution.shared_step,
            **settings,
        )
        optimizer.build(variables)
        model.compile(
            optimizer=optimizer,
            loss=keras.losses.CategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
        )
    return model


class StepLosses(keras.callbacks.Callback):
    """Keeps the mean loss of the epoch after each step."""

    def __init__(self):
        super().__init__()
        self.values = []

    def on_train_batch_end(self, batch, logs=None):
        self.values.append(float(logs["loss"]))


def learn(distribution, **settings):
    """Returns losses of two epochs, and the weights in the end."""
    model, losses = build(distribution, **settings), StepLosses()
    model.fit(
        distribution.feed(batches(distribution.place)),
        epochs=2,
        steps_per_epoch=STEPS,
        callbacks=[losses],
        shuffle=False,
        verbose=0,
    )
    weights = np.concatenate([w.ravel() for w in model.get_weights()])
    return {"losses": losses.values, "weights": weights.tolist()}


def overflow(distribution):
    """Returns changes of weights for gradients too large on one replica."""
    model = build(distribution, scale_loss=True)
    optimizer, variables = model.optimizer, model.trainable_variables

    def step(largest):
        before = model.get_weights()

        def of_replica():
            replica = tf.distribute.get_replica_context()
            number = tf.cast(replica.replica_id_in_sync_group, tf.float32)
            factor = 1.0 + number * largest
            gradients = [tf.ones(v.shape) * factor for v in variables]
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

        tf.function(distribution.strategy.run)(of_replica)
        pairs = zip(before, model.get_weights(), strict=True)
        return float(max(np.abs(a - b).max() for a, b in pairs))

    with distribution.scope():
        return {"infinite": step(np.inf), "finite": step(1.0)}


def run_config(photos, **fields):
    """Returns the quick start's phases, fitted, on half a narrow network."""
    config = get_config()
    config.update_from_flattened_dict(
        {
            "data.source": photos,
            **SMALL_RUN,
            "checks.enabled": False,
            "evaluation.test_at_end": False,
            **fields,
        }
    )
    return config


def compare_runs(photos, folder, **fields):
    """Trains on one device and on all, and once more from a cut copy."""
    folder = Path(folder)
    add = History.add

    def add_and_copy(self, row):
        add(self, row)
        name = f"cut-{row['phase']}-{row['epoch']}"
        if self.path.parent.name == "all":
            shutil.copytree(self.path.parent, folder / name)

    History.add = add_and_copy
    for devices in ("one", "all"):
        config = run_config(photos, **{"runtime.devices": devices, **fields})
        train_and_evaluate(config, folder / devices)
    History.add = add
    # As a kill between an epoch's row and its commit leaves the directory.
    train_and_evaluate(config, folder / "cut-fine_tune-2")


def on_devices(photos, folder):
    """All that two logical devices are needed for."""
    divide_processor()
    found = {"one": learn(ONE), "clipped": learn(ONE, **CLIPPED)}
    config = get_config()
    config.runtime.devices = "all"
    with open_devices(config, folder) as (both, _):
        found["replicas"] = both.num_replicas
        found["all"] = learn(both)
        found["all plain"] = learn(both, is_plain=True)
        found["all clipped"] = learn(both, **CLIPPED)
        found["overflow"] = overflow(both)
    compare_runs(photos, folder)
    return found


CLIPPED = {"joint_clipnorm": 0.05, "clipnorm": 0.02}


def on_workers(folder):
    """What each of two processes finds without a run."""
    config = get_config()
    config.runtime.devices = "workers"
    folder = Path(folder)
    found = {}
    with open_devices(get_config(), folder) as (one, _):
        assert one is ONE  # TF_CONFIG alone changes nothing
    from tlkeras.training import distribution as module

    both = module.DEVICES["workers"](config)
    found["worker"] = learn(both)
    own = np.full((2, 3), float(both.place.index + 1))
    found["of chief"] = both.of_chief(own).tolist()
    place = folder / str(both.place.index)
    if both.place.is_chief:
        (place / workdir.CHECKPOINTS).mkdir(parents=True)
        (place / workdir.CHECKPOINTS / workdir.STATE).write_bytes(b"123")
    both.publish(place)
    found["received"] = both.receive(place)
    found["state"] = (
        (place / workdir.CHECKPOINTS / workdir.STATE).read_bytes().decode()
    )
    for kind in ("plain", "without reduction"):
        try:
            if kind == "plain":
                learn(both, is_plain=True)
            else:
                module.WorkersModel = module.ReplicatedModel
                learn(both)
            found[kind] = ""
        except Exception as error:
            found[kind] = type(error).__name__
    return found


def train(photos, place, *fields):
    """A run, as a command would do it."""
    values = dict(field.split("=") for field in fields)
    train_and_evaluate(run_config(photos, **values), place)
    return {}


COMMANDS = {"devices": on_devices, "workers": on_workers, "train": train}

if __name__ == "__main__":
    tf.config.experimental.enable_op_determinism()
    print(json.dumps(COMMANDS[sys.argv[1]](*sys.argv[2:])))
