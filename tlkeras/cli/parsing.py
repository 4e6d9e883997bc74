"""Flags: shared definitions, and their errors as one sentence."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from absl import flags, logging
from ml_collections import ConfigDict, config_flags

from tlkeras.config import defaults, validate
from tlkeras.config.dotted import walk
from tlkeras.config.hashing import default_workdir
from tlkeras.config.presets import apply_preset
from tlkeras.console import complain
from tlkeras.errors import InputError, quote
from tlkeras.tables import suggest

FLAGS = flags.FLAGS
HELP_FLAGS = ("--help", "-h", "-help", "--helpfull")
SHARED_FLAGS = ("config", "data", "workdir", "quiet")
ABOUT = "--help="  # a section of the config
EXPLAINED = ("data", "model", "phases.fine_tune", "runtime")


def define_config_flags(argv: list[str], *, default: str | None = None) -> None:
    """Defines --config with its overrides, --data, --workdir and --quiet.

    The overrides are applied to the default as soon as it is defined; where
    the command line names a file, its fields count and there is no default.

    Args:
        argv: Of the command.
        default: Config file; None = that of all fields' defaults.
    """
    is_named = any(re.match(r"--?config(=|$)", arg) for arg in argv)
    config_flags.DEFINE_config_file(
        "config",
        None if is_named else str(Path(default or defaults.__file__)),
        "Experiment file with get_config(), as FILE[:key=value,...]; any field "
        "can be overridden, e.g. --config.model.backbone=ResNet50.",
        sys_argv=argv,
    )
    flags.DEFINE_string(
        "data",
        None,
        "Folder of class folders or .csv/.parquet manifest, local or at gs://, "
        "s3:// or https://; tfds:NAME, digits or letters; short for "
        "--config.data.source.",
    )
    flags.DEFINE_string(
        "workdir",
        None,
        "Run directory, local or at gs:// or s3://; default runs/SOURCE-HASH.",
    )
    flags.DEFINE_boolean("quiet", False, "Print the result only.")


def define_run_flag() -> None:
    """Defines --workdir for commands that read a finished run."""
    flags.DEFINE_string(
        "workdir", None, "Directory of a finished run, local or in a store."
    )


def parse_flags(argv: list[str], module: ModuleType) -> list[str]:
    """Defines a command's flags and parses them.

    Exits with 0 after --help, or --help=SECTION of the config, and with 2, and
    one sentence, on a bad flag.

    Returns:
        The program's name and the arguments that are no flags.
    """
    wants_help = any(arg in HELP_FLAGS for arg in argv[1:])
    asked = [arg for arg in argv if arg.startswith(ABOUT)]
    try:
        if asked:
            from tlkeras.config.meanings import format_fields

            for arg in asked:
                print(format_fields(arg.removeprefix(ABOUT)))
            sys.exit(0)
        module.define_flags([] if wants_help else argv)
        if not wants_help:
            return _parse(argv, module)
    except Exception as error:  # absl's and the config system's many kinds
        complain(explain(error, argv))
        sys.exit(2)
    print(format_flags(module))
    sys.exit(0)


def _parse(argv: list[str], module: ModuleType) -> list[str]:
    rest = FLAGS(argv)
    verbosity = FLAGS["verbosity"]
    if verbosity.using_default_value:
        # absl's runner would raise a default to INFO.
        verbosity.using_default_value = False
        verbosity.value = logging.ERROR
    if rest[1:] and not getattr(module, "TAKES_ARGUMENTS", False):
        raise InputError(
            f"Unexpected argument '{rest[1]}'; expected flags only, as "
            "--NAME=VALUE."
        )
    return rest


def format_flags(module: ModuleType) -> str:
    """Returns a command's help: its docstring, examples and flags."""
    lines = [f"{module.__doc__ or ''}".strip(), "", f"usage: {module.USAGE}"]
    command = f"tlkeras {module.__name__.rpartition('.')[2]}"
    lines += ["", "examples:"]
    lines += [f"  {command} {rest}".rstrip() for rest in module.EXAMPLES]
    own, shared = set(getattr(module, "FLAG_NAMES", ())), set(SHARED_FLAGS)
    for title, names in (("flags", own), ("shared flags", shared - own)):
        if known := sorted(names & set(FLAGS)):
            lines += ["", f"{title}:"]
        for name in known:
            about = " ".join((FLAGS[name].help or "").split())
            lines.append(f"  --{name}: {about}")
    if "config" in FLAGS:
        lines += ["", "fields of the config: --help=SECTION, such as"]
        lines += [f"  --help={name}" for name in EXPLAINED]
    return "\n".join(lines)


def explain(error: Exception, argv: list[str]) -> str:
    """Turns an error of absl or ml_collections into one sentence."""
    if isinstance(error, InputError):
        return str(error)
    if field := _explain_fields(argv):
        return field
    text = str(error)
    if isinstance(error, flags.UnrecognizedFlagError):
        return (
            f"Unknown flag '--{error.flagname}'."
            f"{suggest(error.flagname, list(FLAGS))} Expected a flag of "
            "tlkeras COMMAND --help."
        )
    match = re.search(r"config\.([\w.]+)", text)
    where = f" of config.{match.group(1)}" if match else ""
    if isinstance(error, (TypeError, ValueError, flags.Error)):
        return f"A value{where} has the wrong type or form: {quote(text)}"
    return f"The config file fails with {type(error).__name__}: {quote(text)}"


def _explain_fields(argv: list[str]) -> str:
    """Says which field was probably meant by a --config.some.field=."""
    try:
        config = FLAGS["config"].value if "config" in FLAGS else None
    except OSError:
        return ""
    for arg in argv:
        match = re.match(r"--?config\.([\w.]+)", arg)
        section: Any = config or defaults.get_config()
        place = "config"
        for part in match.group(1).split(".") if match else ():
            known = list(section) if isinstance(section, ConfigDict) else []
            if part not in known and place == "config.tuning.space":
                return (
                    f"'{arg}' would add a field to tuning.space, which a flag "
                    "cannot; expected --space=FIELD=LOW:HIGH or "
                    "--space='FIELD=a|b|c' of tlkeras tune."
                )
            if part not in known:
                return (
                    f"'{place}' has no field '{part}'.{suggest(part, known)} "
                    f"Expected one of: {', '.join(sorted(known))}."
                )
            section, place = section[part], f"{place}.{part}"
    return ""


def resolve_config() -> ConfigDict:
    """Returns the config of the flags, with --data put in.

    Raises:
        InputError: If --data and --config.data.source name different sources,
            or for a value that means nothing.
    """
    try:
        config = FLAGS.config
        config.lock()
    except Exception as error:  # whatever a config file of the user's raises
        reason = str(error.__cause__ or error).strip().splitlines()[-1].strip()
        raise InputError(
            f"The config file cannot be loaded ({reason}); expected a Python "
            "file whose get_config() starts from tlkeras.config.defaults: "
            "check --config."
        ) from None
    if config is None:
        raise InputError(
            "--config names no file; expected a Python file with get_config(): "
            "pass --config=FILE."
        )
    if is_given("preset") and config.preset:
        kept = [name for name, _ in walk(config) if is_given(name)]
        apply_preset(config, config.preset, kept)
    stated = config.data.source
    if FLAGS.data is not None:
        if is_given("data.source") and stated != FLAGS.data:
            raise InputError(
                f"--data='{FLAGS.data}' and --config.data.source='{stated}' "
                "name different sources; expected one of them: remove the "
                "other."
            )
        config.data.source = FLAGS.data
    validate(config)  # before the directory is named after its values
    return config


def is_given(name: str) -> bool:
    """Returns whether a flag names a field of the config, by dotted name."""
    flag = f"config.{name}"
    return flag in FLAGS and bool(FLAGS[flag].present)


def resolve_workdir(config: ConfigDict, *, root: str = "runs") -> str:
    """Returns --workdir, or ROOT/SOURCE-HASH for the config."""
    return FLAGS.workdir or default_workdir(config, root=root)


def require_workdir() -> str:
    """Returns --workdir of a command that needs a finished run.

    Raises:
        InputError: If it is missing.
    """
    if not FLAGS.workdir:
        raise InputError(
            "No run is given; expected the directory of a finished run: pass "
            "--workdir=RUN."
        )
    return FLAGS.workdir


def require_range(name: str, low: int, high: int) -> None:
    """Makes sure that the value of a flag lies in a range.

    Raises:
        InputError: If it does not.
    """
    value = getattr(FLAGS, name)
    if not low <= value <= high:
        raise InputError(
            f"--{name}={value} is out of range; expected {low} .. {high}."
        )
