"""CNN codes of a source at a layer, written to one file or a folder."""

from typing import TYPE_CHECKING, Any

from absl import flags

from tlkeras.cli import parsing

if TYPE_CHECKING:
    from tlkeras.features.code_place import CodePlace
    from tlkeras.features.executors import Executor

USAGE = (
    "tlkeras features --data=SOURCE --output=FILE.npz|FILE.parquet|FOLDER "
    "[--layer=LAYER] [--pooling=average|max|flatten|class_token|spatial] "
    "[--before_activation] [--l2_normalize] [--power=0.5] "
    "[--augmented_copies=K] [--processes=K | --beam_pipeline_options=...] "
    "[--estimate] [--config.section.field=value ...]"
)
EXAMPLES = (
    "--data=photos --output=codes.npz --layer=block_13_expand",
    "--data=photos.parquet --output=codes --processes=8",
    "--data=photos.parquet --estimate",
)
FLAG_NAMES = (
    "output",
    "layer",
    "pooling",
    "before_activation",
    "l2_normalize",
    "power",
    "augmented_copies",
    "processes",
    "beam_pipeline_options",
    "estimate",
)
STARTS_ALONE = True  # it imports the frameworks itself, where it needs them
NOT_ESTIMATED = (
    "output",
    "processes",
    "beam_pipeline_options",
    "l2_normalize",
    "power",
    "augmented_copies",
)


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_config_flags(argv)
    flags.DEFINE_string(
        "output",
        None,
        "File: .npz or .parquet; or a folder, for --config.features.store of "
        "later commands.",
    )
    flags.DEFINE_string("layer", "", "Layer of the backbone; '' is the top.")
    flags.DEFINE_string(
        "pooling", "average", "average|max|flatten|class_token|spatial."
    )
    flags.DEFINE_boolean(
        "before_activation", False, "What goes into the layer's nonlinearity."
    )
    flags.DEFINE_boolean("l2_normalize", False, "Scale codes to length 1.")
    flags.DEFINE_float(
        "power", 1.0, "Signed power of each component, above 0, at most 1."
    )
    flags.DEFINE_integer(
        "augmented_copies", 1, "Mean over so many augmented copies; 1 = none."
    )
    flags.DEFINE_integer(
        "processes", 0, "Share the images out to K processes; 0 = none."
    )
    flags.DEFINE_string(
        "beam_pipeline_options",
        "",
        "Share them out to Apache Beam, as NAME=VALUE,... with runner=NAME.",
    )
    flags.DEFINE_boolean(
        "estimate", False, "Measure some images, print what many will take."
    )


def main(arguments: list[str]) -> int:
    """Computes and writes the codes, or says what that will take."""
    from pathlib import Path

    from tlkeras.config.validate import validate
    from tlkeras.console import Console
    from tlkeras.errors import InputError
    from tlkeras.features.code_place import CodePlace
    from tlkeras.features.table import (
        check_output,
        is_folder,
        write_code_table,
    )
    from tlkeras.startup import import_frameworks
    from tlkeras.training.code_table import compute_codes, fill_store

    given: Any = parsing.FLAGS
    if not given.output and not given.estimate:
        raise InputError(
            "No file is given; expected a name that ends in .npz or .parquet, "
            "or a folder: pass --output=FILE."
        )
    if given.estimate:
        _require_estimate_alone(given)
    executor = _build_executor(given)
    if given.output:
        check_output(Path(given.output))
    config = parsing.resolve_config()
    validate(config)
    console = Console(quiet=given.quiet)
    place = CodePlace(
        given.layer,
        given.pooling,
        given.before_activation,
        given.augmented_copies,
    )
    if given.estimate:
        import_frameworks()
        return _estimate(config, place, console)
    if is_folder(Path(given.output)):
        if given.l2_normalize or given.power != 1:
            raise InputError(
                "--l2_normalize and --power change a table, not the codes in "
                f"a folder such as --output='{given.output}'; expected a name "
                "that ends in .npz or .parquet: leave them away, or name a "
                "file."
            )
        count = fill_store(
            config, given.output, place, executor=executor, console=console
        )
        console.result(f"codes of {count} images are in {given.output}")
        return 0
    table = compute_codes(
        config,
        **vars(place),
        l2_normalize=given.l2_normalize,
        power=given.power,
        executor=executor,
        console=console,
    )
    write_code_table(table, Path(given.output))
    shape = " x ".join(map(str, table.codes.shape))
    console.result(f"{shape} codes written to {given.output}")
    return 0


def _require_estimate_alone(given: Any) -> None:
    """Refuses what an estimate would ignore.

    Raises:
        InputError: If a flag says more than which codes are meant.
    """
    from tlkeras.errors import InputError

    for name in NOT_ESTIMATED:
        if given[name].value != given[name].default:
            raise InputError(
                "--estimate writes nothing and measures one worker, without "
                f"--{name}; expected one of both: leave the other away."
            )


def _build_executor(given: Any) -> "Executor | None":
    """Returns what the flags let run the network; None = this process.

    Raises:
        InputError: If they contradict each other, or Beam is not installed.
    """
    from tlkeras.errors import InputError

    parsing.require_range("processes", 0, 1024)
    options = given.beam_pipeline_options
    if given.processes and options:
        raise InputError(
            f"--processes={given.processes} and --beam_pipeline_options are "
            "two ways to share images out; expected one of them: leave the "
            "other away."
        )
    if given.processes:
        from tlkeras.features.executors import LocalProcesses

        return LocalProcesses(given.processes)
    if not options:
        return None
    try:
        from tlkeras.features.beam_executor import BeamExecutor
    except ModuleNotFoundError:
        raise InputError(
            "--beam_pipeline_options needs Apache Beam, which is not "
            "installed; expected the extra beam: run pip install "
            "'tlkeras[beam]'."
        ) from None
    return BeamExecutor(options)


def _estimate(config: Any, place: "CodePlace", console: Any) -> int:
    import os

    from tlkeras.features.cost_model import describe_costs
    from tlkeras.training.estimate import estimate_costs

    model, count = estimate_costs(config, place, console=console)
    numbers = sorted({count, 10**6, 10**9})
    for line in describe_costs(model, numbers, os.cpu_count() or 1):
        console.result(line)
    return 0
