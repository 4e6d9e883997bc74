"""Tasks of an extraction on Apache Beam: a cluster's, or this machine's."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from tlkeras.errors import GateError, InputError, quote
from tlkeras.features.shard_task import ShardWorker
from tlkeras.features.task_folder import TaskFolder
from tlkeras.features.tasks import ShardRecord, ShardTask


class ComputeActivations(beam.PTransform):
    """Tasks -> records: one element, one shard.

    Rows go from the worker that computed them to the folder; the pipeline
    carries names only. That several workers may be given the same task, as
    Beam allows, changes nothing: the first that commits it counts.

    Args:
        bundle: Directory of what workers compute with.
        folder: Directory of the tasks, which all workers see.

    Example:
        records = pipeline | beam.Create(lines) | ComputeActivations(
            bundle, folder)

        with lines from `ShardTask.encode`; elements of the result come from
        `ShardRecord.encode`.
    """

    def __init__(self, bundle: str, folder: str) -> None:
        super().__init__()
        self.bundle = bundle
        self.folder = folder

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        """Returns the records of a collection of tasks."""
        return (
            tasks
            # Else one worker would run what one element was made into.
            | "Share out tasks" >> beam.Reshuffle()
            | "Compute shards"
            >> beam.ParDo(_ComputeShard(self.bundle, self.folder))
        )


class _ComputeShard(beam.DoFn):
    """Runs tasks with one engine a worker."""

    def __init__(self, bundle: str, folder: str) -> None:
        super().__init__()
        self.bundle = bundle
        self.folder = folder

    def setup(self) -> None:
        self.worker = ShardWorker(
            Path(self.bundle), TaskFolder(Path(self.folder))
        )

    def process(self, element: str) -> Iterator[str]:
        yield self.worker.run(ShardTask.decode(element)).encode()


class BeamExecutor:
    """Beam with the options of a pipeline.

    Args:
        options: `runner=DirectRunner,NAME=VALUE,...`, as Beam's own flags
            without their dashes.

    Raises:
        InputError: If Beam does not understand them.
    """

    def __init__(self, options: str) -> None:
        self.text = options
        flags = [f"--{part}" for part in options.split(",") if part]
        try:
            self.options = PipelineOptions(flags)
            self.options.get_all_options()  # parses them
        except (SystemExit, ValueError) as error:  # argparse ends the process
            raise self._refusal(error) from None

    def _refusal(self, reason: object) -> InputError:
        return InputError(
            f"Beam does not understand --beam_pipeline_options='{self.text}' "
            f"({quote(reason)}); expected NAME=VALUE,... such as "
            "runner=DirectRunner, or runner=DataflowRunner,project=P,region=R,"
            "temp_location=gs://B/TMP: see the documentation of the runner."
        )

    def run(
        self, bundle: Path, tasks: Sequence[ShardTask], folder: TaskFolder
    ) -> Iterator[ShardRecord]:
        """Yields the records of all tasks when the job is done.

        Raises:
            InputError: If there is no such runner.
            GateError: If the job failed.
        """
        try:
            pipeline = beam.Pipeline(options=self.options)
        except (ValueError, ImportError, AttributeError) as error:
            raise self._refusal(error) from None
        _ = (
            pipeline
            | "Tasks" >> beam.Create([task.encode() for task in tasks])
            | ComputeActivations(str(bundle), str(folder.directory))
        )
        try:
            state: Any = pipeline.run().wait_until_finish()
        except Exception as error:  # runners raise many kinds
            raise _failed(error) from error
        if state not in (None, "DONE"):
            raise _failed(state)
        for task in tasks:
            record = folder.find(task.name)
            if record is None:
                raise _failed(
                    f"the shard {task.name} was not written to the "
                    "folder that this machine sees"
                )
            yield record


def _failed(reason: object) -> GateError:
    text = " ".join(str(reason).split())
    logging.getLogger("tlkeras").info("the Beam job failed: %s", text)
    return GateError(
        f"The Beam job failed ({text[-300:]}); what it computed is kept: start "
        "the same command again, which goes on."
    )
