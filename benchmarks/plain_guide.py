"""The recipe of Keras' transfer learning guide, as a script of its own.

Prints one line of JSON: seconds of imports, test accuracy.
"""

import json
import sys
import time

started = time.perf_counter()
import keras  # noqa: E402

imports = time.perf_counter() - started
data, weights = sys.argv[1:]
SIZE = (160, 160)


def load(split, shuffle):  # type: ignore[no-untyped-def]
    """Returns a split as Keras loads it."""
    return keras.utils.image_dataset_from_directory(
        f"{data}/{split}",
        image_size=SIZE,
        batch_size=32,
        shuffle=shuffle,
        seed=0,
        label_mode="categorical",
        verbose=False,
    ).prefetch(2)


keras.utils.set_random_seed(0)
base = keras.applications.MobileNetV2(
    (*SIZE, 3), include_top=False, weights=weights
)
base.trainable = False
inputs = keras.Input((*SIZE, 3))
x = keras.layers.RandomFlip("horizontal")(inputs)
x = keras.layers.RandomRotation(0.1)(x)
x = keras.layers.Rescaling(1 / 127.5, -1)(x)
x = base(x, training=False)
x = keras.layers.GlobalAveragePooling2D()(x)
x = keras.layers.Dropout(0.2)(x)
model = keras.Model(inputs, keras.layers.Dense(10)(x))
loss = keras.losses.CategoricalCrossentropy(from_logits=True)
train, validation = load("train", True), load("validation", False)
for trainable, optimizer, epochs in (
    (False, keras.optimizers.Adam(), 10),
    (True, keras.optimizers.Adam(1e-5), 5),
):
    base.trainable = trainable
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.fit(train, epochs=epochs, validation_data=validation, verbose=0)
_, accuracy = model.evaluate(load("test", False), verbose=0)
print(json.dumps({"imports": imports, "accuracy": accuracy}))
