"""The configs of the lectures' scenarios: each is read, and trains."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

from tlkeras.config import get_config, validate
from tlkeras.config.dotted import differences

CONFIGS = Path(__file__).parents[2] / "configs"
# Further figures of one file, and networks that others start from.
SCENARIOS = sorted(
    path
    for path in CONFIGS.glob("*.py")
    if path.stem not in ("quickstart", "pretrain_letters", "related_source")
)
NEEDS = {"multi_label", "own_source"}  # other data, or two commands


def read_commands(path):
    """The commands of a file's docstring, as lists of arguments."""
    text = path.read_text().split('"""')[1]
    commands = [
        shlex.split(x) for x in re.findall(r"tlkeras (?:train|tune) .*", text)
    ]
    # "with ...: --config=FILE:ARGUMENT" changes the command before.
    for other in re.findall(r"^with .*: (--config=\S+)$", text, re.M):
        commands.append([*commands[0][:2], other, *commands[0][3:]])
    return commands


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_its_docstring_says_what_for_where_from_how_and_with_what_result(path):
    text = path.read_text().split('"""')[1]
    for word in ("Purpose: ", "Source: ", "Command", "Result"):
        assert word in text
    for command in read_commands(path):
        assert command[2].startswith(f"--config=configs/{path.name}")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_its_commands_give_a_valid_config(path, resolve, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    for command in read_commands(path):
        flags = [x for x in command[2:] if not x.startswith("--workdir")]
        config = resolve(*flags)
        validate(config)
        changed = {name for name, _, _ in differences(config, get_config())}
        assert changed - {"data.source"}, "it is the default"


SMALL = (
    "--config.model.backbone=MobileNet",
    "--config.model.alpha=0.25",
    "--config.model.image_size=32",
)
FEW = (
    "--config.data.images_per_class=5",
    "--config.evaluation.bootstrap_samples=100",
)


def shorten(path):
    """Flags that make an experiment a small one."""
    config = runpy.run_path(str(path))["get_config"]()
    for name in config.phases.phase_order:
        if config.phases[name].epochs not in (0, "auto"):
            yield f"--config.phases.{name}.epochs=2"
        elif name == "fine_tune":
            yield "--config.phases.fine_tune.epochs=1"


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [path for path in SCENARIOS if path.stem not in NEEDS],
    ids=lambda path: path.stem,
)
def test_each_runs_on_digits(path, run, tmp_path):
    (command, *_) = read_commands(path)
    code, out, err = run(
        command[1],
        f"--config={path}",
        "--data=digits",
        f"--workdir={tmp_path / 'run'}",
        "--config.model.weights=letters",
        *SMALL,
        *FEW,
        *shorten(path),
    )
    assert code == 0, err
    results = list(tmp_path.glob("run/**/result.json"))
    assert results, out


@pytest.mark.slow
def test_ones_own_source_is_trained_and_transferred(run, tmp_path):
    path = CONFIGS / "own_source.py"
    source, target = tmp_path / "source", tmp_path / "target"
    short = ("--config.phases.fine_tune.epochs=1", *SMALL)
    code, _, err = run(
        "train",
        f"--config={path}",
        "--data=textures",
        "--config.data.images_per_class=10",
        f"--workdir={source}",
        *short,
    )
    assert code == 0, err
    code, out, err = run(
        "train",
        f"--config={path}:{source}",
        "--data=digits",
        f"--workdir={target}",
        *short,
        *FEW,
    )
    assert code == 0, err
    assert str(source) in out


@pytest.mark.slow
def test_several_labels_train(run, photo_folder, tmp_path):
    images = sorted(photo_folder.rglob("*.jpg"))
    rows = [
        f"{image},{'dark|' * (number % 3 == 0)}{image.parent.name}"
        for number, image in enumerate(images)
    ]
    manifest = tmp_path / "photos.csv"
    manifest.write_text("\n".join(["path,label", *rows]))
    code, _, err = run(
        "train",
        f"--config={CONFIGS / 'multi_label.py'}",
        f"--data={manifest}",
        f"--workdir={tmp_path / 'run'}",
        "--config.model.weights=letters",
        "--config.phases.fine_tune.epochs=1",
        "--config.checks.strict=False",
        *SMALL,
    )
    assert code == 0, err
