"""Versions, devices, weight cache; the backbones, and a backbone's layers."""

from absl import flags

from tlkeras.cli import parsing

USAGE = "tlkeras doctor [--backbones] [--layers=BACKBONE] [--image_size=PIXELS]"
EXAMPLES = (
    "",
    "--backbones",
    "--layers=mine.keras --image_size=128",
)
FLAG_NAMES = ("backbones", "layers", "image_size")


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    flags.DEFINE_boolean(
        "backbones", False, "Lists backbones, and where their weights are."
    )
    flags.DEFINE_string("layers", None, "Backbone whose layers are listed.")
    flags.DEFINE_integer("image_size", None, "Of that backbone, pixels.")


def main(arguments: list[str]) -> int:
    """Prints what the machine has."""
    from tlkeras.report.doctor import (
        describe_backbones,
        describe_layers,
        describe_machine,
    )

    if parsing.FLAGS.backbones:
        for part in describe_backbones():
            print(part, flush=True)
    elif parsing.FLAGS.layers:
        print(describe_layers(parsing.FLAGS.layers, parsing.FLAGS.image_size))
    else:
        print(describe_machine())
    return 0
