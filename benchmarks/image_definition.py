"""Does the fast image definition cost accuracy against full antialiasing?

The definition (tlkeras/data/preprocess.py) decodes JPEGs at a reduced scale
and resizes bilinearly; the plain way decodes everything and lets
tf.image.resize antialias, at about half of the speed. Both give codes of one
network; a linear probe on each is compared on the same images.

Command: python benchmarks/image_definition.py --data=DIR --weights=FILE
"""

import argparse
import time

import numpy as np
import tensorflow as tf

import tlkeras
from tlkeras.data.preprocess import decode_image
from tlkeras.evaluation.metrics import compare_paired, per_image_scores
from tlkeras.linear.solvers import fit_linear_classifier
from tlkeras.models.classifier import build_classifier
from tlkeras.models.inference import run_batches
from tlkeras.optim.losses import LOSSES


def antialiased(content: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Decodes the whole JPEG and resizes with antialiasing: uint8 [H, W, 3]."""
    pixels = tf.io.decode_jpeg(content, channels=3)
    resized = tf.image.resize(pixels, (height, width), antialias=True)
    return tf.cast(tf.round(resized), tf.uint8)


def main() -> None:
    """Prints accuracy and decoding speed of both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--image_size", type=int, default=160)
    arguments = parser.parse_args()
    size = arguments.image_size
    dataset = tlkeras.load_dataset(arguments.data)
    classifier = build_classifier(
        "MobileNetV2",
        class_names=dataset.class_names,
        weights=arguments.weights,
        image_size=size,
    )
    scores = {}
    for name, decode in (
        ("definition", decode_image),
        ("antialiased", antialiased),
    ):
        started = time.perf_counter()
        images = {
            split: decode_all(members.paths, decode, size)
            for split, members in dataset.splits.items()
        }
        seconds = time.perf_counter() - started
        count = sum(map(len, images.values()))
        scores[name] = probe(classifier, dataset, images)
        print(
            f"{name:<12} {count / seconds:6.0f} images/s decoded  "
            + "  ".join(
                f"{split} {values.mean():.3f}"
                for split, values in scores[name].items()
            )
        )
    for split in scores["definition"]:
        gain = compare_paired(
            scores["antialiased"][split],
            scores["definition"][split],
            num_samples=2000,
        )
        low, high = gain.interval
        print(f"{split}: {gain.difference:+.4f} [{low:+.4f}, {high:+.4f}]")


def decode_all(paths, decode, size):
    """Returns uint8 [N, size, size, 3]."""
    files = tf.data.Dataset.from_tensor_slices(list(paths)).map(
        lambda path: decode(tf.io.read_file(path), size, size),
        num_parallel_calls=2,
    )
    return np.stack(list(files.as_numpy_iterator()))


def probe(classifier, dataset, images):
    """Returns split -> per-image scores of a probe chosen on validation."""
    codes = {
        split: run_batches(
            classifier.code_model, np.array_split(x, len(x) // 32)
        )
        for split, x in images.items()
    }
    targets = {split: s.targets for split, s in dataset.splits.items()}

    def score(kernel: np.ndarray, bias: np.ndarray) -> float:
        logits = codes["validation"] @ kernel + bias
        return float(
            per_image_scores(
                targets["validation"], logits, multi_label=False
            ).mean()
        )

    fit = fit_linear_classifier(
        codes["train"],
        targets["train"],
        score,
        loss=LOSSES["softmax"],
        log10_l2=(-1.0, 4.0),
        num_strengths=11,
    )
    return {
        split: per_image_scores(
            targets[split],
            codes[split] @ fit.kernel + fit.bias,
            multi_label=False,
        )
        for split in ("validation", "test")
    }


if __name__ == "__main__":
    main()
