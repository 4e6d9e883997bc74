"""Every example in a docstring is run."""

import doctest
import importlib
from pathlib import Path

import pytest

import tlkeras

PACKAGE = Path(tlkeras.__file__).parent
MODULES = sorted(
    path.relative_to(PACKAGE.parent).with_suffix("")
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text()
)


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_examples_say_what_happens(path):
    module = importlib.import_module(".".join(path.parts))
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed
