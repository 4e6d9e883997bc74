"""The learning-rate finder's range tests."""

from tlkeras.charts import to_svg
from tlkeras.report.run_files import Content, RunFiles
from tlkeras.studies.lr_finder_plot import plot_range_test


def build_rate_finder(files: RunFiles) -> Content | None:
    """Returns one chart a phase; None where no range test was made."""
    if not files.lr_finder:
        return None
    return {
        "phases": [
            {
                "phase": phase,
                **test,
                "svg": to_svg(plot_range_test(test), f"chart-finder-{i}"),
            }
            for i, (phase, test) in enumerate(files.lr_finder.items())
        ]
    }
