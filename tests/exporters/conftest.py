"""Small finished runs, each trained once for all tests."""

import pytest


@pytest.fixture(scope="session")
def train_run(tmp_path_factory, make_small_config):
    """Returns what trains a second-long run with some fields changed."""
    from tlkeras.console import Console
    from tlkeras.training.trainer import train_and_evaluate

    directories = {}

    def train(**fields):
        key = tuple(sorted(fields.items()))
        if key in directories:
            return directories[key]
        config = make_small_config(
            {
                "phases.fine_tune.epochs": 0,
                "report.enabled": False,
                **fields,
            }
        )
        directory = tmp_path_factory.mktemp("run") / "photos"
        train_and_evaluate(config, directory, console=Console(quiet=True))
        directories[key] = directory
        return directory

    return train


@pytest.fixture(scope="session")
def finished(train_run):
    """A finished run of the photos of china and flower."""
    return train_run()


@pytest.fixture(scope="session")
def served(finished):
    """The model of the run as it is served."""
    from tlkeras.evaluation.run import load_run
    from tlkeras.exporters.inference import build_served_model

    return build_served_model(load_run(finished))


@pytest.fixture(scope="session")
def exported(finished, tmp_path_factory):
    """An export folder with version 1 of all default formats."""
    from tlkeras.exporters.export import ExportSettings, export_run

    output = tmp_path_factory.mktemp("models") / "photos"
    # Eleven images: one that changes sides is a drop of 0.09.
    export_run(finished, output, ExportSettings(max_drop=0.3))
    return output
