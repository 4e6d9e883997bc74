"""What the tab key offers, asked of Bash itself."""

import shutil
import subprocess

import pytest

from tlkeras.cli.completion import make_script
from tlkeras.cli.main import COMMANDS
from tlkeras.config import get_config
from tlkeras.config.dotted import walk
from tlkeras.config.fields import FIELDS
from tlkeras.models.backbones import BACKBONES

pytestmark = pytest.mark.skipif(
    not shutil.which("bash"), reason="Bash is not installed"
)


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Returns what gives the offers for words, the last one unfinished."""
    path = tmp_path_factory.mktemp("completion") / "tlkeras.bash"
    path.write_text(make_script())

    def ask(*words):
        quoted = " ".join(f"'{word}'" for word in words)
        code = (
            f"source {path}; COMP_WORDS=({quoted})\n"
            f"COMP_CWORD={len(words) - 1}\n"
            "_tlkeras; printf '%s\\n' \"${COMPREPLY[@]}\""
        )
        done = subprocess.run(
            ["bash", "-c", code], capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    return ask


def test_commands(complete):
    assert complete("tlkeras", "") == list(COMMANDS)
    assert complete("tlkeras", "tra") == ["train", "transferability"]


def test_flags_are_those_of_the_command(complete):
    assert complete("tlkeras", "predict", "--t") == ["--tta="]
    assert complete("tlkeras", "predict", "--data") == []
    assert complete("tlkeras", "train", "--data") == ["--data="]
    offered = complete("tlkeras", "train", "--conf")
    assert offered == ["--config=", "--config."]


def test_every_field_of_the_config(complete):
    offered = complete("tlkeras", "train", "--config.")
    assert offered == [f"--config.{name}=" for name, _ in walk(get_config())]
    assert complete("tlkeras", "tune", "--config.model.po") == [
        "--config.model.pooling="
    ]


@pytest.mark.parametrize("parted", [True, False])
def test_values(complete, parted):
    def ask(flag, start):
        last = [flag, "=", start] if parted else [f"{flag}={start}"]
        return complete("tlkeras", "train", *last)

    assert ask("--config.model.pooling", "") == [
        *FIELDS["model.pooling"].choices
    ]
    assert ask("--config.model.backbone", "ConvNeXtT") == ["ConvNeXtTiny"]
    assert set(ask("--config.model.backbone", "")) == set(BACKBONES)


def test_other_values_are_files(complete, tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    assert complete("tlkeras", "train", "--data", "=", "ph") == ["photos"]


def test_it_is_printed_for_both_shells(run):
    for shell in ("bash", "zsh"):
        code, out, _ = run("completion", shell)
        assert code == 0
        assert "complete -o default -F _tlkeras tlkeras" in out
        assert ("bashcompinit" in out) == (shell == "zsh")
    code, _, err = run("completion", "fish")
    assert code == 2
    assert "Expected one of: bash, zsh" in err
    assert run("completion")[0] == 2
