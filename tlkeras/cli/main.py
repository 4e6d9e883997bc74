"""`tlkeras COMMAND`: finds the command's module and hands over to absl."""

import contextlib
import errno
import importlib
import io
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

from absl import app

from tlkeras.console import complain
from tlkeras.errors import GateError, InputError, quote
from tlkeras.startup import begin_command, import_frameworks
from tlkeras.tables import suggest
from tlkeras.workdir import AS_THEY_ARE, ESCAPED

# Command -> what it does. The module is `tlkeras.cli.COMMAND`.
COMMANDS = {
    "quickstart": "the embedded default: letters become digits, in a minute",
    "train": "train a classifier, or go on with an unfinished run",
    "evaluate": "metrics of a finished run on a split",
    "predict": "label images with a finished run",
    "features": "CNN codes of a source at a layer, to .npz or .parquet",
    "heatmap": "where in an image a run sees its classes",
    "probe": "linear classifiers on every depth of a backbone",
    "advise": "which recipe a data set asks for: size x similarity, evidence",
    "transferability": "AnB, AnB+, BnB, BnB+: how general each depth is",
    "check": "preflight: what can be known to be wrong before a run",
    "find_lr": "learning rate of a phase by a range test",
    "tune": "search rates, strengths, heads, cutoffs and augmentation",
    "soup": "one network from several runs: the average of their weights",
    "export": "SavedModel and TFLite, compared with Keras on real images",
    "serve_check": "TF Serving's REST JSON in process, to try clients",
    "demo": "a local page: try a model, review the images of its run",
    "report": "write the page of a run again",
    "doctor": "versions, devices, weight cache; layers of a backbone",
    "completion": "what completes commands, flags and fields in a shell",
}
ENDING_SIGNALS = ("SIGTERM", "SIGHUP")
BROKEN_PIPE = 141  # 128 + SIGPIPE, as shells count
USAGE = "usage: tlkeras COMMAND [--flag=value ...]"


def format_help() -> str:
    """Returns what `tlkeras --help` prints."""
    lines = [f"  {name:<16}{text}" for name, text in COMMANDS.items()]
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
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as daemons have them
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPED)  # any name of a file prints
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors=AS_THEY_ARE)  # and is read
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
    from tlkeras.cli.remote_flags import on_local_copies

    module = importlib.import_module(f"tlkeras.cli.{command}")
    app.run(
        lambda rest: _run(
            on_local_copies(module),
            rest,
            alone=getattr(module, "STARTS_ALONE", False),
            again=shlex.join(["tlkeras", *argv[1:]]),
        ),
        argv=[f"tlkeras {command}", *argv[2:]],
        flags_parser=lambda args: parse_flags(args, module),
    )


def _run(
    command_main: Callable[[list[str]], int | None],
    rest: Sequence[str],
    *,
    alone: bool = False,
    again: str = "the same command",
) -> int:
    try:
        with _told_of_signals():
            begin_command()
            if not alone:
                import_frameworks()
            code = int(command_main(list(rest[1:])) or 0)
            sys.stdout.flush()  # a reader that has left shows now, not at exit
            return code
    except InputError as error:
        _fail(str(error))
    except GateError as error:
        complain(str(error))
    except BrokenPipeError:
        _leave_quietly()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            _fail(
                f"'{quote(error.filename)}' is too long for a name here; "
                "expected fewer characters: choose a shorter one."
            )
        complain(f"the system says: {quote(error, limit=400)}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tensorflow":
            raise
        _fail(
            "This needs TensorFlow, which is not installed: exports and "
            "tensorflow-datasets do; expected the package tensorflow: run pip "
            "install tensorflow."
        )
    except Exception as error:
        if not _is_out_of_memory(error):
            raise
        complain(
            "out of memory; lower phases.*.batch_size, model.image_size, "
            "data.max_decoded_bytes or runtime.num_workers, or give the "
            "process more."
        )
    except KeyboardInterrupt:
        complain(f"interrupted; what was finished is safe. Go on with: {again}")
        return 130
    except Ended as end:
        name = signal.Signals(end.number).name
        complain(
            f"ended by {name}; what was finished is safe. Go on with: {again}"
        )
        return 128 + end.number
    return 1


def _is_out_of_memory(error: Exception) -> bool:
    """TensorFlow's own kind is known by its name: it may not be imported."""
    name = type(error).__name__
    return isinstance(error, MemoryError) or name == "ResourceExhaustedError"


class Ended(BaseException):
    """The system, or a scheduler, asked this process to end.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextlib.contextmanager
def _told_of_signals() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP end a command as Ctrl-C does.

    One that is ignored, as under nohup, stays so. Native code that a signal
    interrupts, while it is imported for example, may raise an error of its own.
    """
    told: list[int] = []

    def end(number: int, _: object) -> None:
        told.append(number)
        raise Ended(number)

    changed = []
    if threading.current_thread() is threading.main_thread():
        known = [getattr(signal, name, None) for name in ENDING_SIGNALS]
        changed = [
            number
            for number in known  # Windows has no SIGHUP
            if number and signal.getsignal(number) is signal.SIG_DFL
        ]
    for number in changed:
        signal.signal(number, end)
    try:
        yield
    except Exception:
        if told:
            raise Ended(told[0]) from None
        raise
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _leave_quietly() -> None:
    """Ends as programs do whose reader has left, `head` for example.

    Python would otherwise complain when it flushes what nobody reads.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(BROKEN_PIPE)


def _fail(message: str) -> None:
    complain(message)
    sys.exit(2)


if __name__ == "__main__":
    main()
