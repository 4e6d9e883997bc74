"""Codes from `predict` and logistic regression, as a script of its own.

Prints one line of JSON: seconds of imports, test accuracy.
"""

import json
import sys
import time

started = time.perf_counter()
import keras  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

imports = time.perf_counter() - started
data, weights = sys.argv[1:]
SIZE = (160, 160)
base = keras.applications.MobileNetV2(
    (*SIZE, 3), include_top=False, weights=weights, pooling="avg"
)


def load(split):  # type: ignore[no-untyped-def]
    """Returns codes and labels of a split."""
    images = keras.utils.image_dataset_from_directory(
        f"{data}/{split}",
        image_size=SIZE,
        batch_size=32,
        shuffle=False,
        verbose=False,
    )
    labels = np.concatenate([y for _, y in images])
    scaled = images.map(
        lambda x, y: keras.applications.mobilenet_v2.preprocess_input(x)
    )
    return base.predict(scaled, verbose=0), labels


x, y = load("train")
x_validation, y_validation = load("validation")
scores = {}
for strength in (0.001, 0.01, 0.1, 1.0):
    fitted = LogisticRegression(C=strength, max_iter=1000).fit(x, y)
    scores[strength] = fitted.score(x_validation, y_validation)
best = max(scores, key=scores.get)
final = LogisticRegression(C=best, max_iter=1000).fit(x, y)
print(json.dumps({"imports": imports, "accuracy": final.score(*load("test"))}))
