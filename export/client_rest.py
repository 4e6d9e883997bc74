#!/usr/bin/env python3
"""Labels images through TF Serving's REST API. Standard library only.

With --signature=heatmap --output=DIR it also writes where each label is seen,
DIR/FOLDER-NAME.png; that needs overlays.py beside it, and Pillow. Prints
`PATH<TAB>LABEL<TAB>SCORE` for each image. Exit code 0: all were answered; 1:
some image was refused; 2: the server could not answer.
"""

import argparse
import base64
import collections
import http.client
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

HEATMAP = "heatmap"  # the signature
# The columns to print, and what an overlay is drawn from.
Located = collections.namedtuple(
    "Located", ["label", "score", "heatmap", "classes", "several"]
)


class ServerError(Exception):
    """The server cannot answer, whatever the image."""


class RefusedError(Exception):
    """The server refuses these images."""


def positive(text):
    """Returns a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def parse_arguments(argv, description, server, default):
    """Returns the settings of a command line.

    Args:
        argv: Arguments; None = `sys.argv`.
        description: Of the program.
        server: Flag that names the server, `--url` or `--address`.
        default: Of that flag.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("images", nargs="+", help="JPEG, PNG, GIF, BMP, WebP")
    parser.add_argument(server, default=default)
    parser.add_argument("--model", default="digits")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--version", type=int, help="default: the newest")
    which.add_argument("--label", help="of a version, such as stable")
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument(
        "--batch", type=positive, default=16, help="images a request"
    )
    parser.add_argument("--timeout", type=float, default=10, help="seconds")
    parser.add_argument("--output", help="folder for overlays of heat maps")
    parser.add_argument(
        "--geometry",
        default="squash",
        choices=("squash", "center_crop", "letterbox"),
        help="data.geometry of the run, for overlays",
    )
    settings = parser.parse_args(argv)
    if settings.output and settings.signature != HEATMAP:
        parser.error(f"--output needs --signature={HEATMAP}")
    return settings


def predict_url(settings):
    """Returns the address that answers predictions."""
    model = urllib.parse.quote(settings.model, safe="")
    address = f"{settings.url.rstrip('/')}/v1/models/{model}"
    if settings.version is not None:
        address += f"/versions/{settings.version}"
    elif settings.label:
        address += f"/labels/{urllib.parse.quote(settings.label, safe='')}"
    return f"{address}:predict"


def predict(settings, contents):
    """Returns one answer, a dict, for each encoded image.

    Raises:
        RefusedError: If the server refuses the images.
        ServerError: If it is down, too slow, or serves no such model.
    """
    rows = [
        {"image_bytes": {"b64": base64.b64encode(content).decode()}}
        for content in contents
    ]
    body = {"signature_name": settings.signature, "instances": rows}
    try:
        request = urllib.request.Request(
            predict_url(settings),
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(
            request, timeout=settings.timeout
        ) as response:
            return json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        explain(error, settings)
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise ServerError(
                f"no answer from {settings.url} within {settings.timeout:g} s; "
                "raise --timeout or send fewer images with --batch"
            ) from None
        raise ServerError(
            f"no server answers at {settings.url} ({reason}); start it with "
            "docker compose up, or check --url"
        ) from None
    except (ValueError, KeyError, http.client.HTTPException):
        raise ServerError(
            f"{settings.url} does not speak TF Serving's REST API; check --url"
        ) from None


def explain(error, settings):
    """Turns an error body into one sentence."""
    try:
        text = json.loads(error.read())["error"]
    except (ValueError, KeyError, TypeError):
        text = str(error)
    if error.code == 404:
        raise ServerError(
            f"{settings.url} serves no such model ({text}); check --model, "
            "--version, --label and models.config"
        ) from None
    if "serving signature" in text.lower():
        raise ServerError(
            f"the model has no signature '{settings.signature}'; expected "
            "serving_default"
        ) from None
    if "version label" in text:
        raise ServerError(
            f"the model has no version labelled '{settings.label}'; see "
            "version_labels in models.config"
        ) from None
    if error.code == 400:
        raise RefusedError(" ".join(text.split())) from None
    raise ServerError(f"{settings.url} fails with {error.code}: {text}")


def as_text(answer):
    """Returns the columns that are printed for an answer."""
    if isinstance(answer, dict) and HEATMAP in answer:
        rest = {k: v for k, v in answer.items() if k != HEATMAP}
        several = "labels" in answer
        return Located(
            *as_text(rest), answer[HEATMAP], answer["classes"], several
        )
    if isinstance(answer, dict) and "label" in answer:
        return answer["label"], f"{answer['score']:.4f}"
    if isinstance(answer, dict) and "labels" in answer:
        return join_labels(answer["labels"], answer["scores"])
    return (json.dumps(answer),)


def join_labels(labels, scores):
    """Returns labels and scores joined by commas; "" pads the labels."""
    found = [label for label in labels if label]
    shown = [f"{score:.4f}" for score in scores[: len(found)]]
    return ",".join(found), ",".join(shown)


def label_images(settings, answer):
    """Prints a line for each image; returns how many were refused.

    Args:
        settings: Of the command line.
        answer: Encoded images -> the columns to print for each; raises
            RefusedError or ServerError.
    """
    num_refused = 0
    for start in range(0, len(settings.images), settings.batch):
        paths = settings.images[start : start + settings.batch]
        contents = []
        for path in paths:
            with open(path, "rb") as file:
                contents.append(file.read())
        for path, content, columns in zip(
            paths, contents, answer_each(answer, contents), strict=True
        ):
            if isinstance(columns, RefusedError):
                num_refused += 1
                print(f"{path}: refused: {columns}", file=sys.stderr)
            else:
                print(path, *columns[:2], sep="\t")
                if settings.output:
                    write_overlay(settings, path, content, columns)
    return num_refused


def write_overlay(settings, path, content, located):
    """Writes where the first label is seen into the output folder."""
    from overlays import draw_overlay, score_cells

    label = located.label.split(",")[0] if located.several else located.label
    if label not in located.classes:
        return  # no label passes the threshold
    place = located.classes.index(label)
    scores = score_cells(located.heatmap, place, located.several)
    os.makedirs(settings.output, exist_ok=True)
    folder, name = os.path.split(os.path.splitext(path)[0])
    name = "-".join(filter(None, [os.path.basename(folder), name]))
    with open(os.path.join(settings.output, f"{name}.png"), "wb") as file:
        file.write(draw_overlay(content, scores, settings.geometry))


def answer_each(answer, contents):
    """Returns columns or a RefusedError for each image.

    One bad image fails its whole request, and with server-side batching the
    requests it was merged with: after a refusal each image is tried alone.
    """
    try:
        return answer(contents)
    except RefusedError as error:
        if len(contents) == 1:
            return [error]
    return [answer_each(answer, [content])[0] for content in contents]


def run(program, settings, answer):
    """Labels all images; returns the exit code."""
    try:
        return 1 if label_images(settings, answer) else 0
    except (ServerError, OSError) as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2


def main(argv=None):
    """Labels the images of the command line."""
    settings = parse_arguments(
        argv, __doc__.partition("\n")[0], "--url", "http://localhost:8501"
    )
    return run(
        "client_rest",
        settings,
        lambda contents: [as_text(a) for a in predict(settings, contents)],
    )


if __name__ == "__main__":
    sys.exit(main())
