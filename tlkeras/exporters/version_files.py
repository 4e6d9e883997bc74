"""Names in a version directory, and those of its signatures."""

from pathlib import Path

GRAPH = "saved_model.pb"
LABELS_PATH = Path("assets") / "labels.txt"
MODEL_INFO = "model_info.json"
DEFAULT_SIGNATURE = "serving_default"
IMAGE_SIGNATURE = "image"
HEATMAP_SIGNATURE = "heatmap"
