"""`--help` of each command: its examples are commands, its flags in groups."""

import importlib
import shlex

import pytest
from absl import flags

from tlkeras.cli import parsing
from tlkeras.cli.main import COMMANDS

FEW = 3


@pytest.fixture
def parse():
    """Returns what parses the flags of a command as the command does."""
    known = set(flags.FLAGS)

    def call(name, arguments):
        module = importlib.import_module(f"tlkeras.cli.{name}")
        return parsing.parse_flags([f"tlkeras {name}", *arguments], module)

    yield call
    for name in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("number", range(FEW))
def test_each_example_is_a_command(name, number, parse, monkeypatch):
    monkeypatch.chdir(parsing.__file__.rpartition("tlkeras")[0] + "..")
    examples = importlib.import_module(f"tlkeras.cli.{name}").EXAMPLES
    assert len(set(examples)) == FEW
    parse(name, shlex.split(examples[number].split(" >> ")[0]))


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_them_and_the_flags_in_groups(name, run):
    code, out, _ = run(name, "--help")
    assert code == 0
    module = importlib.import_module(f"tlkeras.cli.{name}")
    for example in module.EXAMPLES:
        line = f"tlkeras {name} {example}".rstrip()
        assert f"\n  {line}\n" in out
    own, _, shared = out.partition("\nshared flags:\n")
    for flag in getattr(module, "FLAG_NAMES", ()):
        assert f"\n  --{flag}: " in own
    if "--config=FILE" in module.USAGE:
        assert "\n  --data: " in shared
