"""SavedModel and TFLite of a finished run, gated against the Keras model."""

from absl import flags

from tlkeras.cli import parsing

USAGE = "tlkeras export --workdir=RUN [--output=DIR] [--formats=NAME,...]"
EXAMPLES = (
    "--workdir=RUN --output=export/models/photos",
    "--workdir=RUN --formats=int8,onnx --output=export/models/photos",
    "--workdir=RUN --max_drop=0.02 --output=export/models/photos",
)
FLAG_NAMES = ("output", "formats", "version", "max_drop", "split")


def define_flags(argv: list[str]) -> None:
    """Defines the command's flags."""
    parsing.define_run_flag()
    flags.DEFINE_string(
        "output",
        None,
        "Folder of all versions of the model, named as clients call it; "
        "default export/models/NAME of the run directory.",
    )
    flags.DEFINE_list(
        "formats",
        None,
        "saved_model; float32, float16, dynamic, int8, or tflite for these "
        "four; int16x8; onnx; openvino; default: export.formats of the run's "
        "config.",
    )
    flags.DEFINE_integer(
        "version", None, "Number of the version; default: the next."
    )
    flags.DEFINE_float(
        "max_drop",
        None,
        "Largest drop in accuracy against Keras that a file may cost; "
        "default: export.max_drop of the run's config.",
    )
    flags.DEFINE_string(
        "split",
        "validation",
        "Whose images the gate uses: validation, or test, which counts as a "
        "look.",
    )
    flags.DEFINE_boolean("quiet", False, "Print the result only.")


def main(arguments: list[str]) -> int:
    """Exports and prints a table; 1 if a file was refused."""
    from pathlib import Path

    from tlkeras.config.run_directory import read_config
    from tlkeras.console import Console
    from tlkeras.exporters.export import export_and_record
    from tlkeras.exporters.settings import ExportSettings
    from tlkeras.report.text import format_export

    given = parsing.FLAGS
    directory = Path(parsing.require_workdir())
    config = read_config(directory).export
    output = Path(
        given.output or Path("export", "models", directory.resolve().name)
    )
    settings = ExportSettings(
        formats=tuple(given.formats or config.formats),
        version=given.version,
        max_drop=(
            config.max_drop if given.max_drop is None else given.max_drop
        ),
        split=given.split,
        num_calibration_images=config.num_calibration_images,
    )
    record = export_and_record(
        directory, output, settings, Console(quiet=given.quiet)
    )
    print(format_export(record, output))
    return int(record.is_refused)
