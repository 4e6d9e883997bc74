"""The direction of imports, and what imports stay light."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
PACKAGE = PROJECT / "tlkeras"
# Line of the house (docs/architecture.md); imports point down or stay inside.
# Of line 0 each is a module alone, and they may know each other.
LINES = {
    "errors": 0,
    "formulas": 0,
    "tables": 0,
    "workdir": 0,
    "stores": 0,
    "remote_directory": 0,
    "remote_output": 0,
    "remote_listing": 0,
    "remote": 0,
    "locks": 0,
    "processes": 0,
    "console": 0,
    "pages": 0,
    "charts": 0,
    "frozen_graph": 0,
    "litert": 0,
    "local_server": 0,
    "devices": 0,
    "startup": 0,
    "ranking": 0,
    "config": 1,
    "data": 2,
    "optim": 2,
    "models": 3,
    "linear": 3,
    "features": 4,
    "evaluation": 4,
    "callbacks": 4,
    "checks": 4,
    "training": 5,
    "beam": 5,
    "studies": 6,
    "tuning": 6,
    "exporters": 6,
    "report": 7,
    "demo": 8,
    "cli": 9,
}
# Packages that speak Keras and NumPy, never TensorFlow.
CORE = (
    "models",
    "linear",
    "optim",
    "features",
    "callbacks",
    "checks",
    "training",
)
# Only a spine knows many modules: whoever imports more than MANY is one.
MANY = 12
MAX_SPINES = 6


def name_module(path):
    """`tlkeras.data.load` for a file; a package's name for its __init__."""
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_module(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported_names(path):
    """Dotted names of all imports of a file: late and of types only too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def find_module(name):
    """The module of the package that an imported name is, or lies in."""
    while name and name not in SOURCES:
        name = name.rpartition(".")[0]
    return name


# Module -> the other modules of the package that it imports, wherever it does.
GRAPH = {
    module: {find_module(name) for name in imported_names(path)} - {"", module}
    for module, path in SOURCES.items()
}


def find_circle(graph):
    """Modules that import each other in turn; [] without any."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        # It names who is imported before who imports.
        return error.args[1][::-1]
    return []


def first_part(module):
    return module.split(".")[1] if "." in module else ""


def test_every_module_has_its_line_and_every_line_its_module():
    assert {first_part(module) for module in SOURCES} - {""} == set(LINES)


@pytest.mark.parametrize("module", SOURCES)
def test_imports_point_down(module):
    own = first_part(module)
    if not own:  # the package itself, which offers names of all lines
        return
    for other in map(first_part, GRAPH[module]):
        # `import tlkeras` alone would reach everything.
        assert other, f"{module} imports the whole package"
        assert (
            other == own
            or LINES[other] < LINES[own]
            or LINES[other] == LINES[own] == 0
        ), f"{module} imports {other}"


def test_no_modules_import_each_other_in_a_circle():
    assert not find_circle(GRAPH)


def test_a_circle_of_late_imports_is_found(tmp_path):
    texts = {
        "tlkeras.a": "def f():\n    from tlkeras.b import g",
        "tlkeras.b": "if TYPE_CHECKING:\n    import tlkeras.a",
    }
    graph = {}
    for module, text in texts.items():
        path = tmp_path / f"{module}.py"
        path.write_text(text)
        names = imported_names(path)
        graph[module] = {".".join(name.split(".")[:2]) for name in names}
    assert set(find_circle(graph)) == set(texts)
    assert not find_circle({"a": {"b", "c"}, "b": {"c"}})


def test_few_modules_know_many_others():
    counts = {
        module: len(found)
        for module, found in GRAPH.items()
        if first_part(module)  # the package itself offers names of all lines
    }
    spines = {m: count for m, count in counts.items() if count > MANY}
    assert len(spines) <= MAX_SPINES, spines


# It has what Keras leaves to its backend, and imports it late.
SPEAKS_TENSORFLOW = PACKAGE / "training" / "distribution.py"


@pytest.mark.parametrize("package", CORE)
def test_the_core_never_imports_tensorflow(package):
    for path in {*(PACKAGE / package).rglob("*.py")} - {SPEAKS_TENSORFLOW}:
        roots = {name.split(".")[0] for name in imported_names(path)}
        assert "tensorflow" not in roots, path


def run_python(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["evaluate", "--help"],
        ["predict", "--help"],
        ["doctor", "--help"],
        ["report", "--help"],
        ["features", "--help"],
        ["probe", "--help"],
        ["heatmap", "--help"],
        ["tune", "--help"],
    ],
)
def test_help_imports_neither_tensorflow_nor_keras(arguments):
    code = f"""
import sys
from tlkeras.cli.main import main
try:
    main(["tlkeras", *{arguments!r}])
except SystemExit as end:
    assert end.code == 0, end.code
heavy = {{"tensorflow", "keras", "sklearn", "pandas"}} & set(sys.modules)
assert not heavy, heavy
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert "usage: tlkeras" in done.stdout


def test_import_tlkeras_is_lazy():
    done = run_python(
        "import sys, tlkeras; assert 'load_run' in dir(tlkeras);"
        "assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_an_unknown_public_name_is_an_attribute_error():
    import tlkeras

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tlkeras.nothing


def test_core_runs_on_jax_with_tensorflow_blocked(run_on_jax):
    run_on_jax(
        f"CORE = {CORE}"
        + """
import importlib, pkgutil, tlkeras
for name in CORE:
    package = importlib.import_module(f"tlkeras.{name}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"tlkeras.{name}.{module.name}")
import keras, numpy as np
# Compiling draws of each shape, which the weights replace, takes 15 s.
keras.initializers.VarianceScaling.__call__ = keras.initializers.Zeros.__call__
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.layer_groups import group_layers
from tlkeras.optim.multi_optimizer import build_group_optimizer
from tlkeras.optim.optimizers import OptimizerSpec
classifier = build_classifier("MobileNet", class_names="ab", weights="letters",
                              image_size=32, alpha=0.25,
                              features_from="conv_pw_2_relu")
x = np.random.default_rng(0).uniform(0, 255, (4, 32, 32, 3))
x = x.astype("float32")
from tlkeras.models.source_distance import (
    build_moments_model, measure_distances,
)
moments = [np.asarray(m) for m in build_moments_model(classifier)(x)]
rows = measure_distances(classifier, [moments])
assert len(rows) == 5
assert np.mean([row.distance for row in rows]) > 0.35
freeze(classifier, trainable_from="stage2", batch_norm="frozen")
groups = group_layers(classifier.backbone, classifier.head_layers,
                      {"head": "head", "upper": "auto"})
optimizer = build_group_optimizer(
    {g.name: g.variables for g in groups},
    {g.name: OptimizerSpec("adamw", 1e-3) for g in groups},
    classifier.model.trainable_variables, joint_clipnorm=1.0)
classifier.model.compile(optimizer=optimizer, loss="mse")
before = classifier.logits_layer.get_weights()[0]
classifier.model.train_on_batch(x, np.eye(2, dtype="float32")[[0, 1, 0, 1]])
assert (classifier.logits_layer.get_weights()[0] != before).any()
from tlkeras.features.engines import choose_engine
from tlkeras.features.keras_engine import reference_outputs
from tlkeras.features.network_hash import graph_hash
from tlkeras.models.split import split_classifier
prefix = split_classifier(classifier, 10).prefix
choice = choose_engine(prefix, x)
assert choice.engine.name == "keras", choice
(codes,) = choice.engine.run(x)
np.testing.assert_allclose(codes, reference_outputs(prefix, x)[0], 1e-3, 1e-3)
assert graph_hash(prefix) == graph_hash(split_classifier(classifier, 10).prefix)
"""
    )
