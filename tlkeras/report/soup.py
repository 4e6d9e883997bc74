"""The runs whose weights were averaged, where the run is such an average."""

from tlkeras import workdir
from tlkeras.report.run_files import Content, RunFiles
from tlkeras.studies.soup_record import SoupRecord


def build_soup(files: RunFiles) -> Content | None:
    """Returns a row a run, and what the average is worth; None for no soup."""
    path = files.directory / workdir.SOUP
    if not path.exists():
        return None
    with workdir.reading(path):
        record = SoupRecord.from_dict(workdir.read_json(path))
        rows = [
            {
                "run": row.run,
                "seed": row.seed,
                "metric": row.metrics[files.metric],
                "loss": row.metrics["loss"],
                "is_in": row.is_in,
                "effect": row.comparison and row.comparison.describe(),
            }
            for row in record.runs
        ]
    return {
        "rows": rows,
        "num_averaged": record.num_averaged,
        "metric_name": files.metric_name,
        "mean_of_runs": record.mean_of_runs,
        "against_best": record.against_best.describe(),
        "against_mean": record.against_mean.describe(),
        "ensemble": record.ensemble.describe(),
    }
