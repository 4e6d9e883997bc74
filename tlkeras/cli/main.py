"""`tlkeras COMMAND`: finds the command's module and hands over to absl."""

import importlib
import os
import sys
from collections.abc import Sequence

from absl import app

from tlkeras.errors import GateError, InputError
from tlkeras.startup import import_frameworks
from tlkeras.tables import suggest

# Command -> what it does. The module is `tlkeras.cli.COMMAND`.
COMMANDS = {
    "train": "train a classifier, or go on with an unfinished run",
    "evaluate": "metrics of a finished run on a split",
    "predict": "label images with a finished run",
    "features": "CNN codes of a source at a layer, to .npz or .parquet",
    "probe": "linear classifiers on every depth of a backbone",
    "check": "preflight: what can be known to be wrong before a run",
    "find_lr": "learning rate of a phase by a range test",
    "tune": "search rates, strengths, heads, cutoffs and augmentation",
    "export": "SavedModel and TFLite, compared with Keras on real images",
    "serve_check": "TF Serving's REST JSON in process, to try clients",
    "report": "write the page of a run again",
    "doctor": "versions, devices, weight cache; layers of a backbone",
}
BROKEN_PIPE = 141  # 128 + SIGPIPE, as shells count
USAGE = "usage: tlkeras COMMAND [--flag=value ...]"


def format_help() -> str:
    """Returns what `tlkeras --help` prints."""
    lines = [f"  {name:<12}{text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            "Transfer learning for image classification with Keras.",
            "",
            USAGE,
            "",
            "commands:",
            *lines,
            "",
            "tlkeras COMMAND --help lists a command's flags.",
        ]
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Runs a command and exits: 0 done, 1 a gate failed, 2 bad input.

    Args:
        argv: Program name, command and flags; None = `sys.argv`.
    """
    argv = list(sys.argv if argv is None else argv)
    command = argv[1] if len(argv) > 1 else "--help"
    if command in ("--help", "-h", "help", "--helpfull"):
        print(format_help())
        sys.exit(0)
    if command not in COMMANDS:
        _fail(
            f"Unknown command '{command}'.{suggest(command, COMMANDS)} "
            f"Expected one of: {', '.join(COMMANDS)}."
        )
    from tlkeras.cli.parsing import parse_flags

    module = importlib.import_module(f"tlkeras.cli.{command}")
    app.run(
        lambda rest: _run(module.main, rest),
        argv=[f"tlkeras {command}", *argv[2:]],
        flags_parser=lambda args: parse_flags(args, module),
    )


def _run(command_main, rest) -> int:  # type: ignore[no-untyped-def]
    try:
        import_frameworks(lean=True)
        code = int(command_main(rest[1:]) or 0)
        sys.stdout.flush()  # a reader that has left shows now, not at exit
        return code
    except InputError as error:
        _fail(str(error))
    except GateError as error:
        print(f"tlkeras: {error}", file=sys.stderr)
    except BrokenPipeError:
        _leave_quietly()
    except MemoryError:
        print(
            "tlkeras: the memory of this machine, or of this process' limit, "
            "is used up; lower --config.evaluation.batch_size, "
            "--config.data.max_decoded_bytes or the image size.",
            file=sys.stderr,
        )
    except OSError as error:
        print(f"tlkeras: the system says: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(
            "tlkeras: interrupted; the same command goes on.", file=sys.stderr
        )
        return 130
    return 1


def _leave_quietly() -> None:
    """Ends as programs do whose reader has left, `head` for example.

    Python would otherwise complain when it flushes what nobody reads.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(BROKEN_PIPE)


def _fail(message: str) -> None:
    one_line = " ".join(message.split())
    print(f"tlkeras: {one_line}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
