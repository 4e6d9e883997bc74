"""The blocks of the documents are commands, and the site of them is whole.

Every `bash` block is read: its shell, and the command, flags and config of each
line. It is run too, unless a comment before it says why not:
`<!-- not run: REASON -->`.
"""

import contextlib
import dataclasses
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags

from tlkeras.cli import parsing
from tlkeras.cli.main import COMMANDS, main
from tlkeras.config import get_config
from tlkeras.config.dotted import walk
from tlkeras.config.field import patterns_of
from tlkeras.config.fields import FIELDS

PROJECT = Path(__file__).parent.parent
DOCUMENTS = (
    PROJECT / "README.md",
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "export" / "README.md",
    *sorted((PROJECT / "docs").rglob("*.md")),
)
BLOCK = re.compile(
    r"^(?P<comment> *<!--(?P<said>.*?)-->\n)?"
    r"(?P<indent> *)```bash\n(?P<text>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
NOT_RUN = re.compile(r"not run: (.{10,})", re.DOTALL)
PROGRAM = "tlkeras"
# Of what a block does not say itself: after its file, before its flags, which
# win.
SMALL = (
    "--config.model.backbone=MobileNet",
    "--config.model.alpha=0.25",
    "--config.model.image_size=32",
    "--config.model.weights=letters",
    "--config.phases.fine_tune.epochs=2",
    "--config.evaluation.bootstrap_samples=100",
    "--config.tuning.num_trials=4",
    "--config.tuning.coarse_epochs=1",
)
IS_SMALL = "--config=configs/quickstart.py"
RUN = "runs/photos-HASH"
# They end with 1 where the tiny photos fail a gate.
GATED = {"check", "export"}
# What else the documents call.
OTHERS = {"cd", "curl", "docker", "echo", "export", "pip", "uv"}


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of a document; `reason` says why it is not run."""

    document: Path
    line: int
    text: str
    reason: str = ""

    def __str__(self):
        return f"{self.document.relative_to(PROJECT)}:{self.line}"


def read_blocks(document):
    text = document.read_text("utf-8")
    for found in BLOCK.finditer(text):
        lines = found["text"].splitlines()
        indent = len(found["indent"])
        said = NOT_RUN.fullmatch((found["said"] or "").strip())
        line = text.count("\n", 0, found.start()) + 1
        block = "\n".join(line[indent:] for line in lines)
        yield Block(document, line, block, said[1] if said else "")


BLOCKS = [block for path in DOCUMENTS for block in read_blocks(path)]
TO_RUN = [
    path for path in DOCUMENTS if any(not b.reason for b in read_blocks(path))
]


def read_commands(text):
    """Yields the words of each simple command, without what it assigns."""
    for line in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"^\w+=\$\(.*\)$", "", line)
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ";"]:
            if not set(word) <= set("|&;"):
                words.append(word)
                continue
            while words and re.match(r"\w+=", words[0]):
                words.pop(0)
            if words:
                yield words
            words = []


def forget_flags_since(known):
    """Takes the flags away that a command has defined."""
    for name in set(flags.FLAGS) - known:
        delattr(flags.FLAGS, name)
    flags.FLAGS.unparse_flags()


def check_program(words):
    """Fails unless the flags of a command are read and mean something."""
    assert words[1] in COMMANDS
    module = importlib.import_module(f"tlkeras.cli.{words[1]}")
    known = set(flags.FLAGS)
    try:
        parsing.parse_flags([" ".join(words[:2]), *words[2:]], module)
        if "config" in flags.FLAGS:
            parsing.resolve_config()
    finally:
        forget_flags_since(known)


def check_other(words, folder):
    """Fails unless what a line calls is known, and is there."""
    first, *rest = words
    if re.match(r"(.*/)?python3?$", first):
        if rest[0] == "-m":
            assert importlib.util.find_spec(rest[1])
        else:
            assert any((at / rest[0]).exists() for at in (folder, PROJECT))
    elif first == "make":
        made = (PROJECT / "Makefile").read_text()
        assert re.search(rf"^{rest[0]}:", made, re.MULTILINE)
    else:
        is_here = any((at / first).exists() for at in (folder, PROJECT))
        assert first in OTHERS or is_here or first.startswith(".venv/bin/")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_each_line_of_a_block_is_a_command(block, monkeypatch):
    monkeypatch.chdir(PROJECT)  # names configs/
    shell = subprocess.run(
        ["bash", "-n"], input=block.text, text=True, capture_output=True
    )
    assert shell.returncode == 0, shell.stderr
    commands = [*read_commands(block.text)]
    assert commands
    for words in commands:
        if Path(words[0]).name == PROGRAM:
            check_program(words)
        else:
            check_other(words, block.document.parent)


FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
FIELD = re.compile(
    r"(?:--config\.)?((?:checks|data|evaluation|features|model|phases|report|"
    r"runtime|tuning)\.[\w.*]+)"
)
FILES = (".html", ".json", ".keras")
FUNCTIONS = {"model.export", "phases.read_phases"}


def is_known(name):
    """Whether a name, or a pattern of names, is of fields, or of code."""
    if name.endswith(FILES) or name in FUNCTIONS:
        return True
    if (PROJECT / PROGRAM / f"{name.replace('.', '/')}.py").is_file():
        return True
    every = [*FIELDS, *(name for name, _ in walk(get_config()))]
    starts = tuple(f"{x.rstrip('*').rstrip('.')}." for x in patterns_of(name))
    return any(f"{field}.".startswith(starts) for field in every)


@pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT))
)
def test_names_in_the_text_are_of_what_exists(document):
    for span in SPAN.findall(FENCE.sub("", document.read_text("utf-8"))):
        if command := re.match(rf"{PROGRAM} (\w+)", span):
            assert command[1] in COMMANDS
        if file := re.match(r"configs/\w+\.py", span):
            assert (PROJECT / file[0]).is_file()
        if field := FIELD.match(span):
            assert is_known(field[1]), field[1]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory, photo_folder):
    """A folder with photos, a finished run, and what the documents name."""
    folder = tmp_path_factory.mktemp("sandbox")
    for name, seen in (("hat", "china"), ("dress", "flower")):
        shutil.copytree(photo_folder / seen, folder / "photos" / name)
    for name in ("configs", "export"):
        shutil.copytree(PROJECT / name, folder / name)
    with contextlib.chdir(folder):
        run_program(["tlkeras", "train", "--data=photos", f"--workdir={RUN}"])
    return folder


def run_program(words):
    """Runs a command, with a small network if it takes a config."""
    _, name, *given = words
    takes_config = (
        "--config" in importlib.import_module(f"tlkeras.cli.{name}").USAGE
    )
    is_small = any(word.startswith(IS_SMALL) for word in given)
    small = SMALL if takes_config and not is_small else ()
    files = [word for word in given if word.startswith("--config=")]
    given = [word for word in given if word not in files]
    known = set(flags.FLAGS)
    try:
        with pytest.raises(SystemExit) as end:
            main([PROGRAM, name, *files, *small, *given])
    finally:
        forget_flags_since(known)
    assert end.value.code in ((0, 1) if name in GATED else (0,)), words


@pytest.mark.slow
@pytest.mark.parametrize(
    "document", TO_RUN, ids=lambda path: str(path.relative_to(PROJECT))
)
def test_the_blocks_of_a_document_run_one_after_the_other(
    document, sandbox, monkeypatch
):
    monkeypatch.chdir(sandbox)
    for block in read_blocks(document):
        for words in read_commands("" if block.reason else block.text):
            assert Path(words[0]).name == PROGRAM, "say why it is not run"
            run_program(words)


def test_a_block_that_is_not_run_says_why():
    assert not NOT_RUN.fullmatch("not run: no")
    assert sum(bool(block.reason) for block in BLOCKS) < len(BLOCKS) / 2


def test_links_between_files_become_links_of_the_site():
    path = PROJECT / "docs" / "site" / "repository.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    repository = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(repository)
    text = "[a](../export/README.md#x) [b](tuning.md) [c](../no.md)"
    there = "[a](deployment.md#x) [b](tuning.md) [c](../no.md)"
    assert repository.rewrite_links(text, "recipes.md") == there
    code = f"```\n{text}\n```"
    assert repository.rewrite_links(code, "recipes.md") == code
    home = repository.rewrite_links("[d](docs/security.md)", "index.md")
    assert home == "[d](security.md)"
    config = repository.rewrite_links("[e](../setup.py)", "recipes.md")
    assert config == "[e](files/setup.py)"


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site; a broken link or an unknown reference fails."""
    pytest.importorskip("mkdocstrings", reason="mkdocs is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_the_site_asks_no_other_server(site):
    asked = re.compile(r"(?:src|href)=\W?(?:https?:)?//")
    for page in site.rglob("*.html"):
        tags = re.findall(r"<(?:link|script|img)\b[^>]*>", page.read_text())
        assert tags
        assert not [tag for tag in tags if asked.search(tag)]
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\W?(?:https?:)?//", sheet.read_text())


def test_the_site_names_each_field_command_and_public_name(site):
    import tlkeras

    def read(name):
        return (site / "reference" / f"{name}.html").read_text()

    config, commands, python = map(read, ("config", "commands", "python"))
    for name in FIELDS:
        assert f"<code>{name.rpartition('.')[2]}</code>" in config
    for name in COMMANDS:
        assert f'<h2 id="{name}">' in commands
    for name in tlkeras.__all__:
        assert f'id="tlkeras.{name}"' in python
