"""`MODEL_CARD.md`: the report as Markdown, with a header for model hubs."""

import re
from pathlib import Path
from typing import Any

from tlkeras.console import printable
from tlkeras.pages import make_environment
from tlkeras.report.run_files import Content, RunFiles

# Our metric -> (its type in the hubs' list of metrics, its name).
HUB_METRICS = {
    "top_1_accuracy": ("accuracy", "Top-1 accuracy"),
    "mean_average_precision": ("mean_average_precision", "mAP"),
    "macro_f1": ("f1", "Macro F1"),
}
# Underscores inside words mean nothing to Markdown.
MARKUP = re.compile(r"([\\`*{}\[\]<>#|~$]|(?<!\w)_|_(?!\w))")


def format_model_card(files: RunFiles, built: dict[str, Content]) -> str:
    """Returns the model card.

    Args:
        files: Of the run.
        built: The sections of its page.

    Reference:
        Mitchell et al., Model Cards for Model Reporting, 2019;
        https://huggingface.co/docs/hub/model-cards
    """
    import yaml

    environment = make_environment("tlkeras.report", escapes=False)
    environment.filters["md"] = escape_markdown
    environment.filters["fence"] = lambda text: str(text).replace("```", "'''")
    header = yaml.safe_dump(
        hub_metadata(files), sort_keys=False, allow_unicode=True, width=1000
    )
    text = environment.get_template("model_card.md").render(
        run=files, header=header, **{"by": built}
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def escape_markdown(text: Any) -> str:
    r"""Returns text on one line that Markdown shows as it is, in tables too.

    Example:
    >>> print(escape_markdown("a|b <i>"))
    a\|b \<i\>
    """
    return MARKUP.sub(r"\\\1", printable(" ".join(str(text).split())))


def hub_metadata(files: RunFiles) -> dict[str, Any]:
    """Returns the header: what model hubs index and show in tables."""
    config = files.config
    data_name = str(files.title)
    results = [
        {
            "task": {
                "type": "image-classification",
                "name": "Image classification",
            },
            "dataset": {
                "name": data_name,
                "type": _slug(data_name),
                "split": split,
            },
            "metrics": [
                {
                    "type": kind,
                    "name": name,
                    "value": round(float(metrics[key]), 6),
                    "verified": False,
                }
                for key, (kind, name) in HUB_METRICS.items()
                if key in metrics
            ],
        }
        for split, metrics in files.evaluations.items()
    ]
    header: dict[str, Any] = {"language": config.report.language}
    if config.report.license:
        header["license"] = config.report.license
    backbone = Path(config.model.backbone).name
    return {
        **header,
        "library_name": "keras",
        "pipeline_tag": "image-classification",
        "tags": [
            "image-classification",
            "transfer-learning",
            "keras",
            "tlkeras",
            _slug(backbone),
        ],
        "metrics": [
            kind
            for key, (kind, _) in HUB_METRICS.items()
            if key in files.evaluations["validation"]
        ],
        "model-index": [
            {
                "name": f"{backbone} on {data_name}",
                "results": results,
            }
        ],
    }


def _slug(text: str) -> str:
    return re.sub(r"[^\w-]+", "-", text.lower()).strip("-") or "data"
