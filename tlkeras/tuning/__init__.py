"""Searching rates, strengths, heads, cutoffs and augmentation."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlkeras.tuning.hypermodel import (
        ClassifierHyperModel as ClassifierHyperModel,
    )

__all__ = ["ClassifierHyperModel"]


def __getattr__(name: str) -> Any:
    if name != "ClassifierHyperModel":
        raise AttributeError(
            f"module 'tlkeras.tuning' has no attribute {name!r}"
        )
    module = importlib.import_module("tlkeras.tuning.hypermodel")
    return module.ClassifierHyperModel
