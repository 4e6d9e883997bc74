"""Small finished runs, their exports and a server, once for all tests."""

import threading

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
                "model.features_from": "conv_pw_3_relu",
                "phases.fine_tune.epochs": 0,
                "checks.enabled": False,
                "report.enabled": False,
                **fields,
            }
        )
        directory = tmp_path_factory.mktemp("run") / "photos"
        train_and_evaluate(config, directory, console=Console(quiet=True))
        directories[key] = directory
        return directory

    return train


@pytest.fixture(autouse=True, scope="session")
def few_latency_runs():
    """Times 30 runs of a file instead of 200: the figure is not the point."""
    from tlkeras.exporters import parity

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity, "LATENCY_RUNS", 30)
        yield


@pytest.fixture(scope="session")
def finished(train_run):
    """A finished run of the photos of china and flower, a whole network."""
    return train_run(**{"model.features_from": ""})


@pytest.fixture(scope="session")
def truncated(train_run):
    """The lowest blocks of it, for what a network's size does not change."""
    return train_run()


@pytest.fixture(scope="session")
def loaded(finished):
    """The finished run, loaded."""
    from tlkeras.evaluation.run import load_run

    return load_run(finished)


@pytest.fixture(scope="session")
def served(loaded):
    """The model of the run as it is served."""
    from tlkeras.exporters.inference import build_served_model

    return build_served_model(loaded)


@pytest.fixture(scope="session")
def exported(finished, tmp_path_factory):
    """An export folder with version 1 of all default formats."""
    from tlkeras.exporters.export import export_run
    from tlkeras.exporters.settings import ExportSettings

    output = tmp_path_factory.mktemp("models") / "photos"
    # Eleven images: one that changes sides is a drop of 0.09.
    export_run(finished, output, ExportSettings(max_drop=0.3))
    return output


@pytest.fixture(scope="session")
def photos(photo_folder):
    """Paths of five photos of both classes."""
    return [str(path) for path in sorted(photo_folder.rglob("*.jpg"))[::16]]


@pytest.fixture(scope="session")
def versions(exported):
    """The exported versions, as they are served."""
    from tlkeras.exporters.rest import load_versions

    return load_versions(exported)


@pytest.fixture(scope="session")
def saved(exported):
    """Its SavedModel of version 1, loaded."""
    import tensorflow as tf

    return tf.saved_model.load(str(exported / "1"))


@pytest.fixture(scope="session")
def rest_url(versions):
    """Where a server answers REST JSON for the exported model."""
    from tlkeras.exporters.rest_server import make_server

    with make_server(versions, host="127.0.0.1", port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
