"""One version of an exported model, as `serve_check` serves it."""

import functools
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tlkeras.errors import InputError
from tlkeras.exporters.light_answers import LightAnswers
from tlkeras.exporters.rest_values import Signature
from tlkeras.startup import import_frameworks

if TYPE_CHECKING:
    from tlkeras.exporters.saved_answers import SavedAnswers


class ServedVersion:
    """Answers by LiteRT where it can, and else by the SavedModel itself.

    The latter is loaded when it is first needed, and TensorFlow with it.

    Args:
        folder: Of the version.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loading = threading.Lock()
        self._light: LightAnswers | None
        try:
            self._light = LightAnswers(folder)
        except (InputError, OSError, RuntimeError, ValueError):
            self._light = None
            self._saved  # noqa: B018  what it is worth shows at once

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Name -> what it takes and gives."""
        return (self._light or self._saved).signatures

    def run(self, name: str, key: str, value: Any) -> dict[str, np.ndarray]:
        """Returns outputs [N, ...] of a signature; see `SavedAnswers.run`."""
        found = self._light.try_run(name, value) if self._light else None
        if found is not None:
            return found
        with self._loading:
            saved = self._saved
        return saved.run(name, key, value)

    @functools.cached_property
    def _saved(self) -> "SavedAnswers":
        import_frameworks()
        from tlkeras.exporters.saved_answers import SavedAnswers

        return SavedAnswers(self._folder)
