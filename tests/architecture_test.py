"""The direction of imports, and what imports stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tlkeras"
# Line of the house (docs/architecture.md); imports point down or stay inside.
LINES = {
    "errors": 0,
    "tables": 0,
    "workdir": 0,
    "console": 0,
    "pages": 0,
    "charts": 0,
    "frozen_graph": 0,
    "devices": 0,
    "startup": 0,
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
    "studies": 6,
    "tuning": 6,
    "exporters": 6,
    "report": 7,
    "cli": 8,
}
# Packages that speak Keras and NumPy, never TensorFlow.
CORE = ("models", "optim", "features", "callbacks", "checks", "training")
SOURCES = sorted(PACKAGE.rglob("*.py"))


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{a.name}" for a in node.names)


@pytest.mark.parametrize(
    "path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_imports_point_down(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] == "__init__":
        return
    for module in imported_modules(path):
        names = module.split(".")
        if names[0] != "tlkeras" or len(names) < 2 or names[1] not in LINES:
            continue
        other = names[1]
        assert (
            other == parts[0]
            or LINES[other] < LINES[parts[0]]
            or (LINES[other] == LINES[parts[0]] == 0)
        ), f"{path} imports {module}"


@pytest.mark.parametrize("package", CORE)
def test_the_core_never_imports_tensorflow(package):
    for path in (PACKAGE / package).rglob("*.py"):
        roots = {module.split(".")[0] for module in imported_modules(path)}
        assert "tensorflow" not in roots, path


def test_files_stay_short():
    for path in SOURCES:
        assert len(path.read_text().splitlines()) <= 350, path


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
    run_on_jax("""
import importlib, pkgutil, tlkeras
for name in ("models", "optim", "features", "callbacks", "checks", "training"):
    package = importlib.import_module(f"tlkeras.{name}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"tlkeras.{name}.{module.name}")
import numpy as np
from tlkeras.models.classifier import build_classifier, freeze
from tlkeras.models.layer_groups import group_layers
from tlkeras.optim.multi_optimizer import build_group_optimizer
from tlkeras.optim.optimizers import OptimizerSpec
classifier = build_classifier("MobileNet", class_names="ab", weights="letters",
                              image_size=32, alpha=0.25)
freeze(classifier, trainable_from="stage5", batch_norm="frozen")
groups = group_layers(classifier.backbone, classifier.head_layers,
                      {"head": "head", "upper": "auto"})
optimizer = build_group_optimizer(
    {g.name: g.variables for g in groups},
    {g.name: OptimizerSpec("adamw", 1e-3) for g in groups},
    classifier.model.trainable_variables, joint_clipnorm=1.0)
classifier.model.compile(optimizer=optimizer, loss="mse")
x = np.random.rand(4, 32, 32, 3).astype("float32") * 255
before = classifier.logits_layer.get_weights()[0]
classifier.model.train_on_batch(x, np.eye(2, dtype="float32")[[0, 1, 0, 1]])
assert (classifier.logits_layer.get_weights()[0] != before).any()
from tlkeras.features.engines import choose_engine
from tlkeras.features.keras_engine import reference_outputs
from tlkeras.features.recipe import graph_hash
from tlkeras.models.split import split_classifier
prefix = split_classifier(classifier, 40).prefix
choice = choose_engine(prefix, x)
assert choice.engine.name == "keras", choice
(codes,) = choice.engine.run(x)
np.testing.assert_allclose(codes, reference_outputs(prefix, x)[0], 1e-3, 1e-3)
assert graph_hash(prefix) == graph_hash(split_classifier(classifier, 40).prefix)
""")
