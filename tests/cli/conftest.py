"""Commands as a user types them."""

import types

import pytest
from absl import flags

from tlkeras.cli import parsing
from tlkeras.cli.main import main

TRAIN = types.SimpleNamespace(define_flags=parsing.define_config_flags)
CONFIG = """
from tlkeras.config import defaults

def get_config(arguments=""):
    config = defaults.get_config()
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "letters"
    config.model.features_from = "conv_pw_3_relu"
    config.phases.fine_tune.epochs = 0
    config.evaluation.bootstrap_samples = 100
    config.seed = int(arguments or 0)
    return config
"""


def run_command(*arguments):
    """Runs a command in this process; returns its exit code."""
    known = set(flags.FLAGS)
    try:
        with pytest.raises(SystemExit) as end:
            main(["tlkeras", *map(str, arguments)])
    finally:
        for name in set(flags.FLAGS) - known:
            delattr(flags.FLAGS, name)
        flags.FLAGS.unparse_flags()
    return end.value.code or 0


@pytest.fixture(scope="session")
def config_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "small.py"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory, config_file, photo_folder):
    """A finished run, trained through the command line."""
    directory = tmp_path_factory.mktemp("cli") / "run"
    code = run_command(
        "train",
        f"--config={config_file}",
        f"--data={photo_folder}",
        f"--workdir={directory}",
    )
    assert code == 0
    return directory


@pytest.fixture
def run(capfd):
    """Returns a function that runs a command: (exit code, stdout, stderr)."""

    def call(*arguments):
        code = run_command(*arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def resolve():
    """Returns what gives the config of a command line."""
    known = set(flags.FLAGS)

    def forget():
        for name in set(flags.FLAGS) - known:
            delattr(flags.FLAGS, name)
        flags.FLAGS.unparse_flags()

    def call(*arguments):
        forget()
        parsing.parse_flags(["tlkeras", "--data=digits", *arguments], TRAIN)
        return parsing.resolve_config()

    yield call
    forget()
