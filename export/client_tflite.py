#!/usr/bin/env python3
"""Labels images with a .tflite file. Needs ai-edge-litert and Pillow.

Prints `PATH<TAB>LABEL<TAB>SCORE` for each image. Exit code 0: all were
labelled; 1: some image could not be read; 2: the model could not.
"""

import argparse
import json
import sys
import zipfile

import numpy as np

GREY = 128  # of the bars of a letterbox
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
FIRST = {"version": 1, "geometry": "squash"}  # files that name no definition
# EXIF orientation -> (transposed, rows flipped, columns flipped)
TURNS = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


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


def read_definition(path):
    """Returns version and geometry of what the model calls an image."""
    with zipfile.ZipFile(path) as archive:
        if "image_definition.json" not in archive.namelist():
            return FIRST
        return json.loads(archive.read("image_definition.json"))


def read_image(path, height, width, definition):
    """Decodes and resizes as the training did, up to rounding.

    Reduced by the largest power of two that still covers the target, then
    bilinear with half-pixel centres and without antialiasing. Version 1 does
    not turn images upright, and reduces only JPEGs, by 8 at most.

    Returns:
        uint8 [height, width, 3], RGB.
    """
    from PIL import Image

    with Image.open(path, formats=FORMATS) as image:
        is_jpeg = image.format == "JPEG"
        orientation = image.getexif().get(0x0112, 1)
        pixels = np.asarray(image.convert("RGB"))
    is_first = definition["version"] == 1
    turn = None if is_first else TURNS.get(orientation)
    h, w, _ = pixels.shape
    if turn and turn[0]:
        h, w = w, h
    shown, filled = fit(h, w, height, width, definition["geometry"])
    times = min(shown[0] // filled[0], shown[1] // filled[1])
    power = max(int(times).bit_length() - 1, 0)
    if is_first:
        power = min(power, 3) if is_jpeg else 0
    pixels = average_squares(pixels, 2**power)
    if turn:
        pixels = pixels.transpose(1, 0, 2) if turn[0] else pixels
        pixels = pixels[:: -1 if turn[1] else 1, :: -1 if turn[2] else 1]
    return fill(pixels, height, width, definition["geometry"])


def average_squares(pixels, side):
    """Averages squares of pixels; the last row and column are repeated."""
    h, w, _ = pixels.shape
    borders = ((0, -h % side), (0, -w % side), (0, 0))
    whole = np.pad(pixels, borders, mode="edge").astype(np.uint32)
    rows, columns = whole.shape[0] // side, whole.shape[1] // side
    squares = whole.reshape(rows, side, columns, side, 3).sum((1, 3))
    return ((squares + side**2 // 2) // side**2).astype(np.uint8)


def fit(h, w, height, width, geometry):
    """Returns the sides of what is shown and of what it fills."""
    if geometry == "center_crop":
        shown = (divide(w * height, width), divide(h * width, height))
        shown = (min(max(shown[0], 1), h), min(max(shown[1], 1), w))
        return shown, (height, width)
    if geometry == "letterbox":
        filled = (divide(h * width, w), divide(w * height, h))
        filled = (min(max(filled[0], 1), height), min(max(filled[1], 1), width))
        return (h, w), filled
    return (h, w), (height, width)


def divide(a, b):
    """Rounds a / b to the nearest integer, halves up."""
    return (2 * a + b) // (2 * b)


def fill(pixels, height, width, geometry):
    """Crops, resizes and pads to the target."""
    h, w, _ = pixels.shape
    (crop_h, crop_w), filled = fit(h, w, height, width, geometry)
    top, left = (h - crop_h) // 2, (w - crop_w) // 2
    pixels = pixels[top : top + crop_h, left : left + crop_w]
    pixels = pixels.astype(np.float32)
    for axis, size in enumerate(filled):
        pixels = resize_axis(pixels, axis, size)
    result = np.full((height, width, 3), GREY, np.uint8)
    top, left = (height - filled[0]) // 2, (width - filled[1]) // 2
    result[top : top + filled[0], left : left + filled[1]] = np.clip(
        np.round(pixels), 0, 255
    )
    return result


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
        self.definition = read_definition(path)
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
        image = read_image(path, height, width, self.definition)[None]
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
