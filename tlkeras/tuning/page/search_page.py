"""One self-contained page of a search, from the files in its directory."""

from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.pages import make_environment
from tlkeras.tuning.page.lines import short_names
from tlkeras.tuning.page.plots import (
    plot_effects,
    plot_learning_curves,
    plot_parallel,
    plot_scatter,
)
from tlkeras.tuning.space.space import Space
from tlkeras.tuning.store.search_result import SearchResult
from tlkeras.tuning.trials.outcome import (
    COMPLETED,
    DIVERGED,
    FAILED,
    rank_trials,
    read_outcomes,
    store_of,
)

MAX_LISTED = 300


def write_page(
    directory: Path | str, result: SearchResult, space: Space
) -> Path:
    """Writes `tuning.html` of a finished search.

    The page needs no network; everything from the data is escaped.

    Args:
        directory: Of the search.
        result: Of the search.
        space: That was searched.

    Returns:
        The path of the page.
    """
    directory = Path(directory)
    environment = make_environment("tlkeras.tuning.page", ".")
    page = environment.get_template("page.html").render(
        collect(directory, result, space)
    )
    workdir.write_text(directory / workdir.TUNING_PAGE, page)
    return directory / workdir.TUNING_PAGE


def collect(
    directory: Path, result: SearchResult, space: Space
) -> dict[str, Any]:
    """Returns what the template shows."""
    outcomes = read_outcomes(store_of(directory))
    ranked = rank_trials(outcomes, result.noise.floor)
    names = short_names([field.name for field in space])
    pictures = {
        "Two fields and the accuracy of each trial": plot_scatter(
            outcomes, space, result.best, names
        ),
        "Completed trials over all fields": plot_parallel(
            outcomes, space, names
        ),
        "Effect of each field": plot_effects(outcomes, space, names),
        "Training loss of the best and of the quit trials": (
            plot_learning_curves(outcomes, ranked)
        ),
    }
    counts = {
        status: sum(o.status == status for o in outcomes)
        for status in (COMPLETED, DIVERGED, FAILED)
    }
    order = [*ranked, *(i for i in range(len(outcomes)) if i not in ranked)]
    return {
        "result": result,
        "names": names,
        "counts": counts,
        "pictures": {k: svg for k, svg in pictures.items() if svg},
        "rows": [(i + 1, result.trials[i]) for i in order[:MAX_LISTED]],
        "left_out": max(0, len(outcomes) - MAX_LISTED),
        "best": result.trials[result.best],
        "best_number": result.best + 1,
    }
