"""The search for hyper-parameters, shortly: it has a page of its own."""

from tlkeras.report.run_files import Content, RunFiles
from tlkeras.tuning.page.lines import format_row, short_names
from tlkeras.tuning.page.plots import plot_scatter, scatter_fields
from tlkeras.tuning.space.space import SearchField
from tlkeras.tuning.trials.outcome import TrialOutcome, rank_trials

NUM_SHOWN = 10
# What every search writes and the section needs.
NEEDED = {"trials", "space", "best", "metric", "noise_floor"}


def build_trials(files: RunFiles) -> Content | None:
    """Returns the ten best trials; None where nothing was tuned."""
    tuning = files.tuning
    if not tuning or not set(tuning) >= NEEDED or not tuning["trials"]:
        return None
    outcomes = [TrialOutcome.from_dict(row) for row in tuning["trials"]]
    space = tuple(
        SearchField.from_text(name, text)
        for name, text in tuning["space"].items()
    )
    ranked = rank_trials(outcomes, tuning["noise_floor"])
    names = short_names(list(tuning["space"]))
    return {
        "num_trials": len(outcomes),
        "metric": tuning["metric"],
        "lines": [
            format_row(outcomes, index, tuning["best"], names)
            for index in ranked[:NUM_SHOWN]
        ],
        "svg": plot_scatter(outcomes, space, tuning["best"], names),
        "fields": [names[field.name] for field in scatter_fields(space)],
        "noise_floor": tuning["noise_floor"],
        "num_unfinished": len(outcomes) - len(ranked),
    }
