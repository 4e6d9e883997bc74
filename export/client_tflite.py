#!/usr/bin/env python3
"""Labels images with a .tflite file. Needs ai-edge-litert and Pillow.

Prints `PATH<TAB>LABEL<TAB>SCORE` for each image. Exit code 0: all were
labelled; 1: some image could not be read; 2: the model could not.
"""

import argparse
import sys
import zipfile

import numpy as np

REDUCTIONS = (8, 4, 2, 1)


def parse_arguments(argv=None):
    """Returns the command line's settings."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("images", nargs="+", help="JPEG, PNG, GIF, BMP, WebP")
    parser.add_argument("--model", required=True, help="a .tflite file")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args(argv)


def read_labels(path):
    """Returns the class names that the export put into the file."""
    with zipfile.ZipFile(path) as archive:
        text = archive.read("labels.txt").decode()
    return text.removesuffix("\n").split("\n")


def read_image(path, height, width):
    """Decodes and resizes as the training did, up to rounding.

    The largest reduction of 1, 2, 4, 8 that stays at or above the target, then
    bilinear with half-pixel centres and without antialiasing.

    Returns:
        uint8 [height, width, 3], RGB.
    """
    from PIL import Image

    with Image.open(path) as image:
        is_jpeg = image.format == "JPEG"
        image = image.convert("RGB")
    largest = min(image.height // height, image.width // width)
    reduction = next((r for r in REDUCTIONS if r <= largest), 1)
    if is_jpeg and reduction > 1:
        image = image.reduce(reduction)
    pixels = np.asarray(image, np.float32)
    for axis, size in enumerate((height, width)):
        pixels = resize_axis(pixels, axis, size)
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


def resize_axis(pixels, axis, size):
    """Interpolates linearly along one axis, float32."""
    old = pixels.shape[axis]
    place = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, old - 1)
    share = (place - low).astype(np.float32)
    share = share.reshape([-1 if a == axis else 1 for a in range(3)])
    below, above = pixels.take(low, axis), pixels.take(high, axis)
    return below + (above - below) * share


def prepare(path, threads, resolver):
    """Returns an interpreter that is ready to run."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        path,
        num_threads=threads,
        experimental_op_resolver_type=OpResolverType[resolver],
    )
    interpreter.allocate_tensors()
    return interpreter


class Classifier:
    """A .tflite file, loaded."""

    def __init__(self, path, threads):
        self.labels = read_labels(path)
        try:
            self.interpreter = prepare(path, threads, "AUTO")
        except RuntimeError:  # see `note` in export.json
            self.interpreter = prepare(
                path, threads, "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
            )
        (self.input,) = self.interpreter.get_input_details()
        (self.output,) = self.interpreter.get_output_details()

    def classify(self, path):
        """Returns (label, score) of one image file."""
        _, height, width, _ = self.input["shape"]
        image = read_image(path, height, width)[None]
        # Pixels go in as they are, 0..255: the network normalises.
        self.interpreter.set_tensor(
            self.input["index"], image.astype(self.input["dtype"])
        )
        self.interpreter.invoke()
        scores = self.interpreter.get_tensor(self.output["index"])[0]
        scale, zero_point = self.output["quantization"]
        if scale:
            scores = (scores.astype(np.float32) - zero_point) * scale
        best = int(scores.argmax())
        return self.labels[best], float(scores[best])


def main(argv=None):
    """Labels the images of the command line."""
    settings = parse_arguments(argv)
    from PIL import Image

    try:
        classifier = Classifier(settings.model, settings.threads)
    except (
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        zipfile.BadZipFile,
    ) as error:
        print(
            f"client_tflite: '{settings.model}' is no model of tlkeras export "
            f"({error}); check --model",
            file=sys.stderr,
        )
        return 2
    num_errors = 0
    for path in settings.images:
        try:
            label, score = classifier.classify(path)
            print(path, label, f"{score:.4f}", sep="\t")
        except (OSError, Image.DecompressionBombError) as error:
            num_errors += 1
            print(f"{path}: cannot be read: {error}", file=sys.stderr)
    return 1 if num_errors else 0


if __name__ == "__main__":
    sys.exit(main())
