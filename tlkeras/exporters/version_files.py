"""Names in a version directory, and those of its signatures."""

from pathlib import Path

TFLITE = "tflite"  # folder of LiteRT's files
FLOAT32 = "float32"  # of these, the one without loss
# Place of a file below the export folder.
PUBLISHED = "{folder}/{version}/{filename}"
GRAPH = "saved_model.pb"
LABELS_PATH = Path("assets") / "labels.txt"
MODEL_INFO = "model_info.json"
DEFAULT_SIGNATURE = "serving_default"
IMAGE_SIGNATURE = "image"
HEATMAP_SIGNATURE = "heatmap"
