"""The networks of an ensemble, and what answering as one is worth."""

from tlkeras import workdir
from tlkeras.evaluation.phase_details import PhaseComparison
from tlkeras.report import forms
from tlkeras.report.run_files import Content, RunFiles


def build_ensemble_rows(files: RunFiles) -> Content | None:
    """Returns a row a network, and the gain; None for a single network."""
    path = files.directory / workdir.ENSEMBLE
    if not path.exists():
        return None
    record = forms.read_form(path, forms.ENSEMBLE)
    with workdir.reading(path):
        gain = PhaseComparison.from_dict(record["against_mean"])
        rows = [
            {
                "seed": row["seed"],
                "metric": row[files.metric],
                "loss": row["loss"],
            }
            for row in record["members"]
        ]
    return {
        "rows": rows,
        "metric_name": files.metric_name,
        "mean_of_members": record["mean_of_members"],
        "gain": gain.describe(),
        "cost": record["cost"],
    }
