"""The lecture's search with plain keras-tuner, as a script of its own.

`plain_tuner.py DATA WEIGHTS images|codes TRIALS`: trials run the frozen
backbone, or train a head on codes that were computed before. Prints one line
of JSON: seconds of each trial, the best validation accuracy.
"""

import json
import sys
import tempfile
import time

import keras
import keras_tuner
import numpy as np

data, weights, side, num_trials = sys.argv[1:]
SIZE, BATCH, EPOCHS = (160, 160), 100, 5
base = keras.applications.MobileNetV2(
    (*SIZE, 3), include_top=False, weights=weights, pooling="avg"
)
base.trainable = False


def load(split, shuffle):  # type: ignore[no-untyped-def]
    """Returns the images of a split, decoded once, as Keras' guide does."""
    images = keras.utils.image_dataset_from_directory(
        f"{data}/{split}",
        image_size=SIZE,
        batch_size=BATCH,
        shuffle=shuffle,
        label_mode="categorical",
        verbose=False,
    )
    scale = keras.applications.mobilenet_v2.preprocess_input
    return images.map(lambda x, y: (scale(x), y)).cache().prefetch(2)


def build(hp):  # type: ignore[no-untyped-def]
    """Returns the compiled model of one trial."""
    rate = hp.Float("lr", 1e-6, 1e-1, sampling="log")
    strength = hp.Float("reg", 1e-5, 1e5, sampling="log")
    head = keras.layers.Dense(
        10, kernel_regularizer=keras.regularizers.L2(strength / 2)
    )
    if side == "codes":
        inputs = keras.Input((1280,))
        model = keras.Model(inputs, head(inputs))
    else:
        inputs = keras.Input((*SIZE, 3))
        model = keras.Model(inputs, head(base(inputs, training=False)))
    schedule = keras.optimizers.schedules.ExponentialDecay(rate, 10, 0.9)
    model.compile(
        keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


class Timed(keras_tuner.RandomSearch):
    """Notes how long each trial takes."""

    seconds: list[float] = []  # noqa: RUF012

    def run_trial(self, trial, *arguments, **rest):  # type: ignore[no-untyped-def]
        """Runs a trial."""
        started = time.perf_counter()
        result = super().run_trial(trial, *arguments, **rest)
        self.seconds.append(time.perf_counter() - started)
        return result


train, validation = load("train", True), load("validation", False)
if side == "codes":
    y = np.concatenate([y for _, y in load("train", False)])
    x = base.predict(load("train", False), verbose=0)
    held_out = (
        base.predict(validation, verbose=0),
        np.concatenate([y for _, y in validation]),
    )
    inputs = {"x": x, "y": y, "batch_size": BATCH, "validation_data": held_out}
else:
    inputs = {"x": train, "validation_data": validation}
with tempfile.TemporaryDirectory() as folder:
    tuner = Timed(
        build,
        objective="val_accuracy",
        max_trials=int(num_trials),
        directory=folder,
        seed=1,
    )
    tuner.search(**inputs, epochs=EPOCHS, verbose=0)
    (best,) = tuner.oracle.get_best_trials(1)
print(json.dumps({"trials": tuner.seconds, "best": best.score}))
