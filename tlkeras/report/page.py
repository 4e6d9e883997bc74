"""One self-contained page of a run, and a model card with the same content."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

from tlkeras import workdir
from tlkeras.pages import make_environment
from tlkeras.report.classes import build_classes, build_confusion
from tlkeras.report.command import build_command
from tlkeras.report.curves import build_curves
from tlkeras.report.embedding import build_embedding
from tlkeras.report.ensemble import build_ensemble_rows
from tlkeras.report.event_images import write_event_images
from tlkeras.report.filters import build_filters
from tlkeras.report.headline import build_headline
from tlkeras.report.ledger import build_ledger
from tlkeras.report.mistakes import build_mistakes
from tlkeras.report.model_card import format_model_card
from tlkeras.report.network import build_phases
from tlkeras.report.rate_finder import build_rate_finder
from tlkeras.report.reliability import build_reliability
from tlkeras.report.run_files import Content, RunFiles, read_run_files
from tlkeras.report.soup import build_soup
from tlkeras.report.suspects import build_suspects
from tlkeras.report.trials import build_trials
from tlkeras.report.verdicts import (
    build_checks,
    build_diagnosis,
    build_export,
)


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: Its heading.
        build: What its template shows, from the run's files; None leaves the
            section out.
    """

    title: str
    build: Callable[[RunFiles], Content | None]


# In the order of the page; each key names templates/sections/KEY.html.
SECTIONS: dict[str, Section] = {
    "result": Section("Result", build_headline),
    "soup": Section("Averaged runs", build_soup),
    "ensemble": Section("Networks that answer as one", build_ensemble_rows),
    "training": Section("What was done", build_phases),
    "diagnosis": Section("Diagnosis", build_diagnosis),
    "curves": Section("Curves", build_curves),
    "confusion": Section("Confusion", build_confusion),
    "classes": Section("Classes", build_classes),
    "mistakes": Section("Mistakes", build_mistakes),
    "calibration": Section("Calibration", build_reliability),
    "codes": Section("Codes", build_embedding),
    "filters": Section("First-layer filters", build_filters),
    "data": Section("Data", build_ledger),
    "suspects": Section("Labels in doubt", build_suspects),
    "checks": Section("Checks", build_checks),
    "finder": Section("Learning-rate finder", build_rate_finder),
    "tuning": Section("Tuning", build_trials),
    "export": Section("Exports", build_export),
    "again": Section("How to reproduce", build_command),
}


def write_report(
    directory: Path | str,
    *,
    output: Path | str | None = None,
    card: Mapping[str, str] | None = None,
) -> Path:
    """Writes `report.html` and `MODEL_CARD.md` of a finished run.

    The page needs no network and runs no script; everything from the data is
    escaped. Where the run keeps event files for TensorBoard, its pictures are
    written there too.

    Args:
        directory: Of a finished run.
        output: Folder for the two files; None = the run's directory.
        card: `license` and `language` for the header of the model card, where
            they differ from the run's config.

    Returns:
        The path of the page.

    Raises:
        InputError: If the directory holds no finished run, or the folder
            cannot be written.
    """
    files = read_run_files(Path(directory))
    files.config.report.update(dict(card or {}))
    folder = files.directory
    if output is not None:
        folder = workdir.make_directory(output, what="report folder")
    built = build_sections(files)
    workdir.write_text(folder / workdir.REPORT, render_page(files, built))
    workdir.write_text(
        folder / workdir.MODEL_CARD, format_model_card(files, built)
    )
    if files.config.runtime.tensorboard and output is None:
        write_event_images(files, built)
    return folder / workdir.REPORT


def build_sections(files: RunFiles) -> dict[str, Content]:
    """Returns what each section shows; sections without content are absent."""
    built = {key: section.build(files) for key, section in SECTIONS.items()}
    return {key: data for key, data in built.items() if data is not None}


def render_page(files: RunFiles, built: dict[str, Content]) -> str:
    """Returns the page as HTML."""
    environment = make_environment("tlkeras.report")
    return environment.get_template("page.html").render(
        run=files,
        sections=[
            {"key": key, "title": SECTIONS[key].title, "data": data}
            for key, data in built.items()
        ],
    )
