"""The files that install and contain the package, without a network."""

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parent.parent
# Imported as -> installed as, where that is another word.
INSTALLED_AS = {
    "PIL": "pillow",
    "absl": "absl-py",
    "grpc": "grpcio",
    "sklearn": "scikit-learn",
    "tensorflow_serving": "tensorflow-serving-api",
    "yaml": "pyyaml",
}
OF_KERAS = {"h5py", "jax", "torch"}  # which asks for one, and may run on others


@pytest.fixture(scope="module")
def setup():
    """What setup.py tells setuptools."""
    import setuptools

    told = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", told.update)
        runpy.run_path(str(PROJECT / "setup.py"))
    return told


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.gpu"])
def test_an_image_copies_what_there_is_and_is_not_root(name, setup):
    lines = (PROJECT / name).read_text().replace("\\\n", " ").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line[:1].isupper()]
    sent = (PROJECT / ".dockerignore").read_text()
    for what, rest in steps:
        if what == "COPY":
            for source in rest.split()[:-1]:
                assert (PROJECT / source).exists()
                assert f"!{source}\n" in sent
    kinds = [what for what, _ in steps]
    assert kinds[0] == "FROM"
    assert kinds.index("USER") < kinds.index("ENTRYPOINT")
    assert ["USER", "tlkeras"] in steps
    for extra in re.findall(r"/src\[(\w+)\]", (PROJECT / name).read_text()):
        assert extra in setup["extras_require"]


def test_the_gpu_image_has_the_tensorflow_of_the_package(setup):
    (wanted,) = [
        x for x in setup["install_requires"] if re.match(r"tensorflow[>=<]", x)
    ]
    stated = wanted.replace("tensorflow", "tensorflow[and-cuda]", 1)
    assert f"'{stated}'" in (PROJECT / "Dockerfile.gpu").read_text()


def test_the_citation_is_of_this_version(setup):
    cited = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    assert cited["version"] == setup["version"]
    assert cited["license"] == setup["license"]


def find_imported():
    """The packages of others that tlkeras imports, anywhere."""
    for path in (PROJECT / "tlkeras").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            else:
                continue
            yield from (name.partition(".")[0] for name in names)


def test_what_is_imported_is_asked_for(setup):
    asked = [*setup["install_requires"]]
    for name, packages in setup["extras_require"].items():
        asked += packages if name not in ("test", "dev") else []
    names = {re.match(r"[\w.-]+", row)[0].replace("_", "-") for row in asked}
    imported = {*find_imported()} - {
        *sys.stdlib_module_names,
        *OF_KERAS,
        "tlkeras",
    }
    assert {
        INSTALLED_AS.get(name, name.replace("_", "-")) for name in imported
    } <= names


def test_each_extra_is_explained(setup):
    told = (PROJECT / "docs" / "install.md").read_text("utf-8")
    for name in setup["extras_require"]:
        assert f"\n| `{name}` |" in told
