"""CNN codes of a source at a layer, written to one file."""

from typing import Any

from absl import flags

from tlkeras.cli import parsing

USAGE = (
    "tlkeras features --data=SOURCE --output=FILE.npz|FILE.parquet "
    "[--layer=LAYER] [--pooling=average|max|flatten|class_token|spatial] "
    "[--before_activation] [--l2_normalize] [--power=0.5] "
    "[--augmented_copies=K] [--config.section.field=value ...]"
)
EXAMPLES = (
    "--data=photos --output=codes.npz",
    "--data=photos --output=codes.parquet --layer=block_13_expand",
    "--data=photos --output=codes.npz --l2_normalize --power=0.5",
)
FLAG_NAMES = (
    "output",
    "layer",
    "pooling",
    "before_activation",
    "l2_normalize",
    "power",
    "augmented_copies",
)


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_config_flags(argv)
    flags.DEFINE_string("output", None, "File: .npz or .parquet.")
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


def main(arguments: list[str]) -> int:
    """Computes and writes the codes."""
    from pathlib import Path

    from tlkeras.config.validate import validate
    from tlkeras.console import Console
    from tlkeras.errors import InputError
    from tlkeras.features.table import check_output, write_code_table
    from tlkeras.training.code_table import compute_codes

    given: Any = parsing.FLAGS
    if not given.output:
        raise InputError(
            "No file is given; expected a name that ends in .npz or .parquet: "
            "pass --output=FILE."
        )
    check_output(Path(given.output))
    config = parsing.resolve_config()
    validate(config)
    console = Console(quiet=given.quiet)
    table = compute_codes(
        config,
        layer=given.layer,
        pooling=given.pooling,
        before_activation=given.before_activation,
        l2_normalize=given.l2_normalize,
        power=given.power,
        augmented_copies=given.augmented_copies,
        console=console,
    )
    write_code_table(table, Path(given.output))
    shape = " x ".join(map(str, table.codes.shape))
    console.result(f"{shape} codes written to {given.output}")
    return 0
