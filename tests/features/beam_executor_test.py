"""Tasks on Apache Beam: the bytes of one process."""

import pytest

pytest.importorskip("apache_beam", reason="Apache Beam is not installed")

from tlkeras.errors import GateError, InputError
from tlkeras.features import beam_executor
from tlkeras.features.beam_executor import BeamExecutor

from .conftest import store_files

IN_MEMORY = "runner=FnApiRunner"
# A job server of Beam's own, and workers that this process starts: an external
# pool would start a bare `python`, and wait for ever if that is another one.
LOOPBACK = "runner=PortableRunner,job_endpoint=embed,environment_type=LOOPBACK"


@pytest.mark.parametrize("options", [IN_MEMORY, LOOPBACK])
def test_beam_writes_what_one_process_does(make_extraction, reference, options):
    extraction = make_extraction(BeamExecutor(options))
    assert not extraction.run()
    split = extraction.splits["train"]
    assert store_files(extraction.prefix, split) == reference()


def test_the_transform_is_public():
    from tlkeras import beam

    assert beam.ComputeActivations is beam_executor.ComputeActivations


@pytest.mark.parametrize("options", ["runner", "runner=NoRunner"])
def test_options_that_beam_does_not_know_are_refused(make_extraction, options):
    with pytest.raises(InputError, match="Beam does not understand"):
        make_extraction(BeamExecutor(options)).run()


def test_a_job_that_fails_is_told_and_loses_nothing(
    make_extraction, reference, monkeypatch
):
    class Dies(beam_executor.ShardWorker):
        num_runs = 0

        def run(self, task):
            Dies.num_runs += 1
            if Dies.num_runs == 3:
                raise OSError("out of reach")
            return super().run(task)

    with monkeypatch.context() as patch:
        patch.setattr(beam_executor, "ShardWorker", Dies)
        with pytest.raises(GateError, match=r"Beam job failed .*out of reach"):
            make_extraction(BeamExecutor(IN_MEMORY)).run()
    extraction = make_extraction(BeamExecutor(IN_MEMORY))
    assert len(extraction.folder.staged()) == 2
    extraction.run()
    split = extraction.splits["train"]
    assert store_files(extraction.prefix, split) == reference()


def test_a_folder_that_workers_do_not_see_is_told(make_extraction, monkeypatch):
    monkeypatch.setattr(
        beam_executor.TaskFolder, "find", lambda self, name: None
    )
    with pytest.raises(GateError, match="not written to the folder that this"):
        make_extraction(BeamExecutor(IN_MEMORY)).run()
