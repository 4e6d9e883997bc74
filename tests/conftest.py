"""Shared fixtures: real JPEGs made from scikit-learn's sample photos."""

import logging
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

PROJECT = Path(__file__).parent.parent
# For benchmarks/, which is not installed; last, so that tlkeras is the one
# that is.
sys.path.append(str(PROJECT))
# Folders whose tests share runs that are made once a process.
TOGETHER = ("demo", "exporters", "report")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SERIOUS = ("serious", "critical")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Gives each worker process whole files, or whole folders.

    Marks for `--dist loadgroup` are ignored, silently, by pytest-xdist 3.8
    under pytest 9.2, and each process makes the runs of a file for itself.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Whole(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    return Whole(config, log)


def group_of(nodeid):
    """Returns what shares runs with a test: its file, or a folder.

    Files of real photos go to one: codes are computed once a cache.
    """
    path = Path(nodeid.split("::")[0])
    if path.name == "assets_test.py":
        return "assets"
    return path.parent.name if path.parent.name in TOGETHER else str(path)


@pytest.fixture(autouse=True, scope="session")
def cache_folder(tmp_path_factory):
    """Keeps the tests away from the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["TLKERAS_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def plain_precision():
    """Leaves no test the precision in which the one before it trained."""
    yield
    if "keras" in sys.modules:
        import keras

        keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def assets():
    """The folder of real weights and photos."""
    folder = os.environ.get("TLKERAS_ASSETS", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("TLKERAS_ASSETS names no folder of real weights and photos")
    return Path(folder)


NO_TENSORFLOW = """
import sys
class NoTensorFlow:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "tensorflow":
            raise ModuleNotFoundError("blocked", name=name)
sys.meta_path.insert(0, NoTensorFlow())
"""
STILL_ON_JAX = """
import keras
assert keras.backend.backend() == "jax"
assert "tensorflow" not in sys.modules
"""


@pytest.fixture
def run_on_jax():
    """Returns what runs code in a process without TensorFlow."""
    pytest.importorskip("jax", reason="JAX is not installed")

    def run(code):
        done = subprocess.run(
            [sys.executable, "-c", NO_TENSORFLOW + code + STILL_ON_JAX],
            capture_output=True,
            text=True,
            env={**os.environ, "KERAS_BACKEND": "jax"},
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    return run


@pytest.fixture
def clothing_config(assets):
    """Photos of clothing, 10 classes, and MobileNetV2 of ImageNet at 160 px."""
    from tlkeras.config import get_config

    weights = (assets / "keras_home" / "models").glob("*v2*_1.0_224_no_top.h5")
    config = get_config()
    config.data.source = str(assets / "datasets" / "clothing")
    config.model.weights = str(next(weights))
    config.model.image_size = 160
    return config


@pytest.fixture(scope="session")
def photo_crops():
    """Returns class name -> uint8 [40, 48, 64, 3] crops of a real photo."""
    from sklearn.datasets import load_sample_image

    rng = np.random.default_rng(0)
    crops = {}
    for name in ("china", "flower"):
        photo = load_sample_image(f"{name}.jpg")
        height, width, _ = photo.shape
        corners = [
            (rng.integers(height - 96), rng.integers(width - 128))
            for _ in range(40)
        ]
        crops[name] = np.stack(
            [photo[y : y + 96 : 2, x : x + 128 : 2] for y, x in corners]
        )
    return crops


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory, photo_crops):
    """A folder china/ and flower/ of 40 JPEGs each."""
    from PIL import Image

    root = tmp_path_factory.mktemp("photos")
    for name, crops in photo_crops.items():
        (root / name).mkdir()
        for number, crop in enumerate(crops):
            path = root / name / f"{number:02d}.jpg"
            Image.fromarray(crop).save(path, quality=90)
    return root


@pytest.fixture(scope="session")
def make_small_config(photo_folder):
    """Returns what makes the config of `small_config` with fields changed."""
    from tlkeras.config import get_config

    def make(fields=None):
        config = get_config()
        config.update_from_flattened_dict(
            {
                "data.source": str(photo_folder),
                "model.backbone": "MobileNet",
                "model.alpha": 0.25,
                "model.image_size": 32,
                "model.weights": "letters",
                "model.features_from": "conv_pw_6_relu",
                "phases.linear_probe.epochs": 20,
                "phases.fine_tune.epochs": 2,
                "phases.fine_tune.batch_size": 16,
                "evaluation.bootstrap_samples": 200,
                **(fields or {}),
            }
        )
        return config

    return make


@pytest.fixture
def small_config(make_small_config):
    """Half of a narrow MobileNet at 32 px, two classes: mostly tracing."""
    return make_small_config()


@pytest.fixture
def small_classifier():
    """A fresh narrow MobileNet for three classes at 32 px."""
    from tlkeras.models.classifier import build_classifier

    return build_classifier(
        "MobileNet",
        class_names=("a", "b", "c"),
        weights="none",
        image_size=32,
        alpha=0.25,
    )


@pytest.fixture
def batch():
    """Sixteen random images in 0..255 and their one-hot targets."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (16, 32, 32, 3)).astype(np.float32)
    return images, np.eye(3, dtype=np.float32)[rng.integers(0, 3, 16)]


@pytest.fixture
def memory_url():
    """An empty folder of a store that is this process' own."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    return "memory://bucket"


@pytest.fixture(scope="session")
def s3_server():
    """The address of a local server that speaks S3."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def s3_url(s3_server, monkeypatch):
    """A new bucket on it, which this process may use."""
    import s3fs

    for name, value in (
        ("AWS_ENDPOINT_URL", s3_server),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"bucket-{uuid.uuid4().hex}"
    s3fs.S3FileSystem().mkdir(bucket)
    return f"s3://{bucket}"


@pytest.fixture
def listening_console():
    """A console that keeps its lines in `lines`."""

    from tlkeras.console import Console

    class Lines(Console):
        def __init__(self):
            super().__init__()
            self.lines = []

        def line(self, text):
            self.lines.append(text)

    return Lines()


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium; $TLKERAS_CHROMIUM names another one."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed"
    )
    path = os.environ.get("TLKERAS_CHROMIUM") or next(
        filter(None, map(shutil.which, BROWSERS)), None
    )
    if not path:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(
            executable_path=path,
            # A camera of Chromium's own, and nobody who is asked for it.
            args=[
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
            ],
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def find_violations():
    """Returns what runs axe-core on a page."""

    def find(page, **options):
        """Returns what axe-core calls serious or critical, with its places."""
        axe = pytest.importorskip(
            "axe_playwright_python.sync_playwright",
            reason="axe-playwright-python is not installed",
        )
        options["resultTypes"] = ["violations"]
        found = axe.Axe().run(page, options=options).response["violations"]
        return [
            (rule["id"], [node["html"][:120] for node in rule["nodes"][:3]])
            for rule in found
            if rule["impact"] in SERIOUS
        ]

    return find
