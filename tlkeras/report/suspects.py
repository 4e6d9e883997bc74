"""The labels that `tlkeras check` doubts, with their images."""

from tlkeras.data.definition import configured_definition
from tlkeras.evaluation.mistakes import NUM_SUREST, Mistake
from tlkeras.report.mistakes import with_image
from tlkeras.report.run_files import Content, RunFiles


def build_suspects(files: RunFiles) -> Content | None:
    """Returns the most doubtful labels; None where none were looked for."""
    if files.suspects is None:
        return None
    is_upright = configured_definition(files.config).is_upright
    shown = [
        with_image(
            Mistake(
                row["path"],
                row["given"],
                row["likely"],
                float(row["confidence"]),
            ),
            is_upright,
        )
        for row in files.suspects[:NUM_SUREST]
    ]
    return {
        "num_suspects": len(files.suspects),
        "suspects": shown,
        "num_missing": sum(not row.image for row in shown),
    }
