"""One fact in one place, short files, and arrays that say their shape."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "tlkeras"
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = ("tlkeras", "tests", "benchmarks", "configs", "export")
WRITTEN = {".py", ".html", ".css", ".md", ".yaml", ".sh"}  # by hand
MAX_LINES = 350
# The table of losses, the only file that may ask which one it is.
LOSSES = PACKAGE / "optim" / "losses.py"
LOSS_NAMES = {"softmax", "binary", "hinge", "squared_hinge"}
# What each file of cli/ states of its own command.
OF_A_COMMAND = {"FLAG_NAMES", "EXAMPLES"}
TABLE_MAKERS = {"dict", "frozenset", "set", "list", "tuple"}
ARRAY = re.compile(r"\b(ndarray|KerasTensor)\b")
# float32 [N, C], but not list[str].
SHAPE = re.compile(r"(?<!\w)\[(\w|\.\.\.)[^\[\]]*\]")


def parse(path):
    return ast.parse(path.read_text())


def name_file(path):
    return str(path.relative_to(PROJECT))


def find_files(folder):
    for path in sorted((PROJECT / folder).rglob("*")):
        if path.suffix in WRITTEN and path.is_file():
            yield path


@pytest.mark.parametrize("folder", FOLDERS)
def test_files_stay_short(folder):
    lengths = {
        name_file(path): len(path.read_text("utf-8").splitlines())
        for path in find_files(folder)
    }
    assert lengths
    assert not {p: n for p, n in lengths.items() if n > MAX_LINES}


def is_table(value):
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in TABLE_MAKERS
    return isinstance(
        value, ast.Dict | ast.DictComp | ast.Tuple | ast.List | ast.Set
    )


def find_public_names(tree):
    """Names of the public classes and the public tables of a module."""
    for node in tree.body:
        names = []
        if isinstance(node, ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign) and is_table(node.value):
            names = [t.id for t in node.targets if isinstance(t, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and is_table(node.value):
            names = [node.target.id]
        yield from (
            name
            for name in names
            if not name.startswith("_")
            and (isinstance(node, ast.ClassDef) or name.isupper())
        )


def find_places():
    """Public class or table -> the files that define it."""
    places = defaultdict(list)
    for path in SOURCES:
        for name in find_public_names(parse(path)):
            if not (name in OF_A_COMMAND and path.parent.name == "cli"):
                places[name].append(name_file(path))
    return places


def test_a_name_means_one_class_or_table():
    twice = {n: found for n, found in find_places().items() if len(found) > 1}
    assert not twice


def test_classes_and_tables_are_found():
    names = find_public_names(
        ast.parse(
            "class Row: pass\nclass _Row: pass\nROWS = {}\nLIMIT = 3\n"
            "NAMES: tuple[str, ...] = ('a',)\nKEYS = frozenset(ROWS)"
        )
    )
    assert list(names) == ["Row", "ROWS", "NAMES", "KEYS"]


def compared_losses(tree):
    """Lines that compare something with the name of a loss."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        for side in (node.left, *node.comparators):
            if isinstance(side, ast.Constant) and side.value in LOSS_NAMES:
                yield node.lineno


def test_nobody_asks_which_loss_it_is():
    asked = {
        name_file(path): lines
        for path in SOURCES
        if path != LOSSES and (lines := [*compared_losses(parse(path))])
    }
    assert not asked


def find_annotations(node):
    """The annotations of a function, or those of a class's fields."""
    if isinstance(node, ast.ClassDef):
        for child in node.body:
            if isinstance(child, ast.AnnAssign):
                yield child.target.id, child.annotation
    else:
        arguments = node.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
        ):
            if argument.annotation is not None:
                yield argument.arg, argument.annotation
        if node.returns is not None:
            yield "", node.returns


def find_shapeless(node):
    """Public functions and classes with arrays, but no shape in their words."""
    for child in node.body:
        if not isinstance(child, ast.FunctionDef | ast.ClassDef):
            continue
        if child.name.startswith("_"):
            continue
        has_array = any(
            ARRAY.search(ast.unparse(annotation))
            for name, annotation in find_annotations(child)
            if not name.startswith("_")
        )
        words = ast.get_docstring(child) or ""
        if has_array and not SHAPE.search(words):
            yield f"{child.lineno} {child.name}"
        if isinstance(child, ast.ClassDef):
            yield from find_shapeless(child)


@pytest.mark.parametrize(
    "package", sorted({path.relative_to(PACKAGE).parts[0] for path in SOURCES})
)
def test_whoever_takes_or_gives_arrays_says_their_shape(package):
    shapeless = {
        name_file(path): found
        for path in SOURCES
        if path.relative_to(PACKAGE).parts[0] == package
        and (found := [*find_shapeless(parse(path))])
    }
    assert not shapeless


def test_a_docstring_without_a_shape_is_found():
    tree = ast.parse(
        'def f(x: np.ndarray) -> int:\n    """Counts list[str]."""\n'
        'def g() -> keras.KerasTensor:\n    """Returns [N, C]."""\n'
        'class A:\n    """Points."""\n    x: np.ndarray\n    _y: int\n'
        "def _h(x: np.ndarray): ...\ndef i(x: int) -> int: ..."
    )
    assert [item.split()[1] for item in find_shapeless(tree)] == ["f", "A"]
