"""The report's pictures for TensorBoard, beside the scalars of the run."""

import shutil
import struct

from tlkeras import workdir
from tlkeras.charts import to_png
from tlkeras.report.classes import plot_confusion
from tlkeras.report.run_files import Content, RunFiles

FOLDER = "report"  # in tensorboard/; TensorBoard shows it as a run


def write_event_images(files: RunFiles, built: dict[str, Content]) -> None:
    """Writes confusion matrix, filters and codes as one event file.

    An earlier report's file is replaced.

    Args:
        files: Of the run.
        built: The sections of its page.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    images = {}
    confusion = plot_confusion(files)
    if confusion is not None:
        images[f"confusion_{files.shown_split}"] = to_png(confusion)
    if "filters" in built:
        images["first_layer_filters"] = built["filters"]["png"]
    if "codes" in built:
        images["codes_validation"] = to_png(built["codes"]["figure"])
    folder = files.directory / workdir.TENSORBOARD / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    writer = EventFileWriter(str(folder))
    for tag, content in images.items():
        # A PNG says its size in bytes 16 to 24.
        width, height = struct.unpack(">II", content[16:24])
        image = Summary.Image(
            height=height,
            width=width,
            colorspace=3,
            encoded_image_string=content,
        )
        value = Summary.Value(tag=tag, image=image)
        event = Event(step=len(files.history), summary=Summary(value=[value]))
        writer.add_event(event)
    writer.close()
