"""`tlkeras demo` as a user mistypes it: one sentence, exit code 2."""

import socket

import pytest
from absl import flags

from tlkeras.cli.main import main


def run_command(*arguments):
    """Runs the command in this process; returns its exit code."""
    known = set(flags.FLAGS)
    try:
        with pytest.raises(SystemExit) as end:
            main(["tlkeras", "demo", *map(str, arguments)])
    finally:
        for name in set(flags.FLAGS) - known:
            delattr(flags.FLAGS, name)
        flags.FLAGS.unparse_flags()
    return end.value.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "No run is given"),
        (("--workdir=a", "--model=b"), "Both --workdir and --model are given"),
        (("--workdir=/nowhere",), "'/nowhere' is no run directory"),
        (("--model=/nowhere",), "'/nowhere' is no exported model"),
        (("--host=0.0.0.0",), "Unknown flag '--host'"),
    ],
)
def test_a_mistake_is_one_sentence(capsys, arguments, message):
    assert run_command(*arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_port_in_use_is_one_sentence(capsys, trained):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run_command(f"--workdir={trained}", f"--port={port}") == 2
    said = capsys.readouterr().err
    assert f"Port {port} of 127.0.0.1 cannot be had" in said
    assert "choose another --port" in said
