"""The trials for TensorBoard's HParams page."""

import contextlib
from pathlib import Path
from typing import Any

from tlkeras import workdir
from tlkeras.tuning.space.space import SearchField, Space
from tlkeras.tuning.store.stored_oracle import OBJECTIVE
from tlkeras.tuning.trials.outcome import (
    COMPLETED,
    TrialOutcome,
    read_outcomes,
    store_of,
)


def write_hparams(directory: Path, space: Space) -> Path:
    """Writes one session a trial: its values, its curve, how it ended.

    Args:
        directory: Of the search.
        space: That was searched.

    Returns:
        The folder to give to `tensorboard --logdir`.
    """
    from tensorboard.plugins.hparams import summary_v2 as hp

    folder = directory / workdir.TENSORBOARD
    domains = [_declare(field, hp) for field in space]
    metric = hp.Metric(OBJECTIVE, display_name="validation accuracy")
    with _writing(folder) as add:
        add(hp.hparams_config_pb(hparams=domains, metrics=[metric]), 0)
    for outcome in read_outcomes(store_of(directory)):
        _write_trial(folder / f"trial_{outcome.trial_id}", outcome, hp)
    return folder


def _declare(field: SearchField, hp: Any) -> Any:
    if field.kind == "choice":
        domain = hp.Discrete(list(field.options))
    elif field.kind == "int":
        domain = hp.IntInterval(int(field.low), int(field.high))
    else:
        domain = hp.RealInterval(float(field.low), float(field.high))
    return hp.HParam(field.name, domain)


def _write_trial(folder: Path, outcome: TrialOutcome, hp: Any) -> None:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2

    is_completed = outcome.status == COMPLETED
    with _writing(folder) as add:
        add(hp.hparams_pb(outcome.values, trial_id=outcome.trial_id), 0)
        for epoch, row in enumerate(outcome.history, 1):
            values = [
                Summary.Value(tag=name, simple_value=value)
                for name, value in row.items()
            ]
            add(Summary(value=values), epoch)
        if is_completed:
            value = Summary.Value(
                tag=OBJECTIVE, simple_value=outcome.val_accuracy
            )
            add(Summary(value=[value]), outcome.best_epoch)
        status = "STATUS_SUCCESS" if is_completed else "STATUS_FAILURE"
        end = api_pb2.Status.Value(status)
        add(_session_end(end, outcome), outcome.best_epoch)


def _session_end(status: int, outcome: TrialOutcome) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    data = plugin_data_pb2.HParamsPluginData(
        session_end_info=plugin_data_pb2.SessionEndInfo(
            status=status, end_time_secs=outcome.seconds
        )
    )
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(data),
    )
    return Summary(value=[value])


@contextlib.contextmanager
def _writing(folder: Path) -> Any:
    """Yields a function that adds a summary at a step to a new event file."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    for old in folder.glob("events.*"):
        old.unlink()
    writer = EventFileWriter(str(folder), max_queue_size=100)

    def add(summary: Any, step: int) -> None:
        event = Event(step=step)
        event.summary.ParseFromString(summary.SerializeToString())
        writer.add_event(event)

    try:
        yield add
    finally:
        writer.close()
