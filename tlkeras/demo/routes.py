"""What the page asks for, and what it is answered; knows nothing of sockets."""

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tlkeras.demo.page import render_page, render_script, render_style
from tlkeras.demo.review_session import ReviewSession
from tlkeras.demo.subject import TriedModel
from tlkeras.demo.tried_run import TriedRun
from tlkeras.demo.uploads import RefusalError, Uploads
from tlkeras.errors import InputError, quote
from tlkeras.report.thumbnails import data_uri, encode_jpeg

SCRIPTS = ("demo.js", "review.js")
PHOTO_SIDE = 640  # pixels of the longer side of a painted image
TOO_LARGE = "too large"  # begins what the scan says of too many pixels
Query = Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Reply:
    """What goes back to the browser.

    Attributes:
        content: The body.
        kind: Its media type.
        code: HTTP status.
        is_kept: Whether the browser may keep it.
    """

    content: bytes
    kind: str = "application/json"
    code: int = 200
    is_kept: bool = False


def reply_json(value: Any, code: int = 200) -> Reply:
    """Returns a value as JSON."""
    # Names of files may hold bytes that are no UTF-8; ASCII holds them all.
    return Reply(json.dumps(value).encode("ascii"), code=code)


def _show_script(name: str, _: Query) -> Reply:
    kind = "text/javascript; charset=utf-8"
    return Reply(render_script(name).encode(), kind)


class DemoApp:
    """Answers the requests of the page.

    Args:
        subject: The model to try.
        review: Of the run's images; None for an exported model.
    """

    def __init__(
        self, subject: TriedModel, review: ReviewSession | None = None
    ) -> None:
        self._subject = subject
        self._review = review
        self._uploads = Uploads()
        self._gets: dict[str, Callable[[Query], Reply]] = {
            "/": lambda _: Reply(
                render_page(subject, has_review=review is not None).encode(),
                "text/html; charset=utf-8",
            ),
            "/style.css": lambda _: Reply(
                render_style().encode(), "text/css; charset=utf-8"
            ),
            **{
                f"/{name}": functools.partial(_show_script, name)
                for name in SCRIPTS
            },
            "/api/map": self._draw_map,
            "/api/similar": self._find_similar,
            "/api/review": self._describe_review,
            "/image": self._show_image,
        }
        self._posts: dict[str, Callable[[bytes], Reply]] = {
            "/api/try": self._try,
            "/api/decide": self._decide,
            "/api/undo": self._undo,
        }

    def get(self, path: str, query: Query) -> Reply:
        """Answers a GET; see `post`."""
        if path not in self._gets:
            raise RefusalError(404, "There is nothing here.")
        return self._gets[path](query)

    def post(self, path: str, body: bytes) -> Reply:
        """Answers a POST.

        Args:
            path: Of the URL.
            body: At most `MAX_UPLOAD_BYTES`.

        Raises:
            RefusalError: With the status and the sentence of the answer.
        """
        if path not in self._posts:
            raise RefusalError(404, "There is nothing here.")
        return self._posts[path](body)

    def _try(self, body: bytes) -> Reply:
        if not body:
            raise RefusalError(400, "The file is empty; expected an image.")
        token = self._uploads.keep(body)
        found = self._subject.answer(self._uploads.find(token))
        if found.error:
            self._uploads.forget(token)
            code = 413 if found.error.startswith(TOO_LARGE) else 400
            raise RefusalError(
                code,
                f"This file cannot be tried: {quote(found.error)}; expected "
                "a whole image: choose another file.",
            )
        return reply_json(
            {
                "token": token,
                "label": found.label,
                "score": found.score,
                "scores": found.probabilities,
            }
        )

    def _draw_map(self, query: Query) -> Reply:
        path = self._uploads.find(query.get("token", ""))
        names = self._subject.class_names
        label = query.get("label", "")
        if label not in names:
            raise RefusalError(400, "This is no class of the model.")
        try:
            seen = self._subject.see(path)
        except InputError as reason:
            return reply_json({"note": str(reason)})
        from PIL import Image

        photo = Image.fromarray(seen.pixels)
        photo.thumbnail((PHOTO_SIDE, PHOTO_SIDE))
        painted = seen.heat_map.paint(np.asarray(photo), names.index(label))
        content = encode_jpeg(Image.fromarray(painted))
        *_, peak = seen.heat_map.find_peak(names.index(label))
        return reply_json({"image": data_uri(content, "jpeg"), "peak": peak})

    def _find_similar(self, query: Query) -> Reply:
        path = self._uploads.find(query.get("token", ""))
        try:
            found = self._subject.find_similar(path)
        except InputError as reason:
            return reply_json({"note": str(reason)})
        return reply_json({"images": [dataclasses.asdict(i) for i in found]})

    def _describe_review(self, _: Query) -> Reply:
        try:
            return reply_json(self._require_review().describe())
        except InputError as reason:
            return reply_json({"note": str(reason)})

    def _show_image(self, query: Query) -> Reply:
        if not isinstance(self._subject, TriedRun):
            raise RefusalError(404, "There is nothing here.")
        digest = query.get("digest", "")
        content = self._subject.images.make_thumbnail(digest)
        if not content:
            raise RefusalError(404, "No image of the run, or it is gone.")
        return Reply(content, "image/jpeg", is_kept=True)

    def _decide(self, body: bytes) -> Reply:
        values = _read_object(body)
        self._require_review().decide(
            *(values.get(key, "") for key in ("digest", "decision", "label"))
        )
        return reply_json({})

    def _undo(self, _: bytes) -> Reply:
        return reply_json({"digest": self._require_review().undo()})

    def _require_review(self) -> ReviewSession:
        if self._review is None:
            raise RefusalError(404, "An exported model has no images.")
        return self._review


def _read_object(body: bytes) -> dict[str, str]:
    """Returns a JSON object of texts."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or not all(
        isinstance(value, str) for value in values.values()
    ):
        raise RefusalError(400, "Expected a JSON object of texts.")
    return values
