"""Images that people hand to the page: bounded, in files of our own names."""

import secrets
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

MAX_UPLOAD_BYTES = 32 * 1024**2
NUM_KEPT = 16  # of which maps and similar images can be asked for


class RefusalError(Exception):
    """A request that is answered with one sentence.

    Attributes:
        code: HTTP status.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Uploads:
    """Keeps the latest few images of this process, by names that none guesses.

    What the page sends is a key here, never a path.
    """

    def __init__(self) -> None:
        # Removed with the last reference to it, when the process ends.
        self._folder = tempfile.TemporaryDirectory(prefix="tlkeras-demo-")
        self._paths: OrderedDict[str, Path] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, content: bytes) -> str:
        """Returns the token of an image.

        Args:
            content: Of its file, at most `MAX_UPLOAD_BYTES`.
        """
        token = secrets.token_urlsafe(16)
        path = Path(self._folder.name, token)
        path.write_bytes(content)
        with self._lock:
            self._paths[token] = path
            while len(self._paths) > NUM_KEPT:
                _, oldest = self._paths.popitem(last=False)
                oldest.unlink(missing_ok=True)
        return token

    def find(self, token: str) -> str:
        """Returns the path of an image.

        Raises:
            RefusalError: If it was let go, or never kept.
        """
        with self._lock:
            path = self._paths.get(token)
        if path is None:
            raise RefusalError(404, "This image was let go: try it again.")
        return str(path)

    def forget(self, token: str) -> None:
        """Lets go of an image that is none."""
        with self._lock:
            path = self._paths.pop(token, None)
        if path is not None:
            path.unlink(missing_ok=True)
