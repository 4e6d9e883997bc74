import json
import subprocess
import sys

import numpy as np
import pytest

from tlkeras.data.definition import CURRENT
from tlkeras.errors import InputError
from tlkeras.features import bundle as bundles
from tlkeras.features.bundle import GRAPH_ENGINES, open_bundle, write_bundle
from tlkeras.features.engines import ENGINES

from .conftest import needs_openvino

BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "jax"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
from pathlib import Path
from tlkeras.features.shard_task import ShardWorker
from tlkeras.features.task_folder import TaskFolder
from tlkeras.features.tasks import ShardTask
worker = ShardWorker(Path(sys.argv[1]), TaskFolder(Path(sys.argv[2])))
record = worker.run(ShardTask.decode(sys.argv[3]))
assert not record.bad, record
"""


def bundle_of(prefix, folder):
    return write_bundle(folder, prefix.network, CURRENT, prefix.layout)


@pytest.fixture
def written(make_prefix, tmp_path):
    prefix = make_prefix(engine="keras")
    return prefix, bundle_of(prefix, tmp_path / "bundles")


def test_every_engine_of_graphs_is_an_engine():
    assert set(GRAPH_ENGINES) <= set(ENGINES)


@pytest.mark.parametrize(
    "name", [pytest.param("openvino", marks=needs_openvino), "keras"]
)
def test_a_bundle_gives_the_numbers_of_its_prefix(make_prefix, name, tmp_path):
    prefix = make_prefix(engine=name)
    _, engine = open_bundle(bundle_of(prefix, tmp_path))
    assert engine.batch_size == prefix.engine.batch_size
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
    for a, b in zip(engine.run(images), prefix.engine.run(images), strict=True):
        np.testing.assert_array_equal(a, b)


@needs_openvino
def test_a_worker_needs_neither_keras_nor_tensorflow(
    make_extraction, tmp_path, photo_split
):
    extraction = make_extraction(None, engine="openvino")
    extraction.folder.create()
    bundle = bundle_of(extraction.prefix, tmp_path)
    task, *_ = extraction._plan()
    done = subprocess.run(
        [
            *(sys.executable, "-c", BLOCKED, str(bundle)),
            *(str(extraction.folder.directory), task.encode()),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert extraction.folder.staged() == [task.name]


def test_the_same_network_is_the_same_bundle(written, tmp_path):
    prefix, bundle = written
    times = {path: path.stat().st_mtime_ns for path in bundle.iterdir()}
    assert bundle_of(prefix, tmp_path / "bundles") == bundle
    assert {p: p.stat().st_mtime_ns for p in bundle.iterdir()} == times


@pytest.mark.parametrize("name", [bundles.GRAPH, bundles.SPEC])
def test_a_damaged_bundle_is_refused(written, name):
    _, bundle = written
    content = (bundle / name).read_bytes().replace(b"images", b"imagez", 1)
    (bundle / name).write_bytes(content + b" ")
    with pytest.raises(InputError, match="is damaged"):
        open_bundle(bundle)


def test_a_missing_bundle_is_refused(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        open_bundle(tmp_path)


def test_another_version_is_refused(written, monkeypatch):
    _, bundle = written
    versions = json.loads((bundle / bundles.SPEC).read_text())["versions"]
    assert "pillow" in versions
    monkeypatch.setattr(bundles, "_versions", lambda row: {"pillow": "9"})
    with pytest.raises(InputError, match="has pillow 9, the command"):
        open_bundle(bundle)


def test_a_processor_without_the_precision_is_refused(written, monkeypatch):
    _, bundle = written
    row = GRAPH_ENGINES["keras"]

    def open_other(graph, names, precision, num_streams):
        return row.open(graph, names, "bfloat16", num_streams)

    monkeypatch.setitem(
        GRAPH_ENGINES,
        "keras",
        bundles.GraphEngine(row.package, row.batch_size, open_other),
    )
    with pytest.raises(InputError, match="computes in bfloat16, not in float"):
        open_bundle(bundle)
