"""The runs whose weights were averaged, where the run is such an average."""

from tlkeras import workdir
from tlkeras.report.run_files import Content, RunFiles
from tlkeras.studies.soup_record import SoupRecord, describe_paired


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
                "effect": row.comparison and describe_paired(row.comparison),
            }
            for row in record.runs
        ]
    return {
        "rows": rows,
        "num_averaged": record.num_averaged,
        "metric_name": files.metric_name,
        "mean_of_runs": record.mean_of_runs,
        "against_best": describe_paired(record.against_best),
        "against_mean": describe_paired(record.against_mean),
        "ensemble": describe_paired(record.ensemble),
    }
