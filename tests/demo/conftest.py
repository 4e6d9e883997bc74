"""A finished run with doubts about its images, and its page."""

import contextlib
import http.client
import json
import shutil
import threading

import pytest

from tlkeras import workdir
from tlkeras.console import Console
from tlkeras.demo.review_session import ReviewSession
from tlkeras.demo.routes import DemoApp
from tlkeras.demo.server import LOOPBACK, make_demo_server
from tlkeras.demo.tried_run import TriedRun
from tlkeras.studies.copy_checks import write_copies
from tlkeras.studies.suspect_labels import COLUMNS
from tlkeras.training.trainer import train_and_evaluate


@pytest.fixture(scope="session")
def source(tmp_path_factory, photo_folder):
    """Photos that a test may move away."""
    root = tmp_path_factory.mktemp("demo") / "photos"
    shutil.copytree(photo_folder, root)
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory, source, make_small_config):
    """A finished run that nobody has looked at."""
    config = make_small_config(
        {
            "data.source": str(source),
            "model.features_from": "conv_pw_3_relu",
            "phases.fine_tune.epochs": 0,
            "report.enabled": False,
        }
    )
    directory = tmp_path_factory.mktemp("demo") / "run"
    train_and_evaluate(config, directory, console=Console(quiet=True))
    TriedRun(directory, Console(quiet=True))  # leaves the engine file
    return directory


@pytest.fixture(scope="session")
def doubted(trained, tmp_path_factory):
    """The same with three labels in doubt and a pair of copies."""
    directory = tmp_path_factory.mktemp("demo") / "doubted"
    shutil.copytree(trained, directory)
    split = workdir.read_table(directory / workdir.SPLIT)
    train, held = (
        [row["path"] for row in split if row["split"] == name]
        for name in ("train", "validation")
    )
    rows = [
        {
            "path": path,
            "given": "china" if "china" in path else "flower",
            "likely": "flower" if "china" in path else "china",
            "confidence": 0.9,
        }
        for path in train[:3]
    ]
    workdir.write_table(directory / workdir.SUSPECT_LABELS, COLUMNS, rows)
    write_copies(
        directory / workdir.NEAR_DUPLICATES,
        [((held[0], "validation"), (train[3], "train"))],
    )
    return directory


@pytest.fixture
def run(doubted, tmp_path):
    """A copy whose review a test may write."""
    shutil.copytree(doubted, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def open_session():
    """Returns what opens the review of a run."""

    def open_(directory):
        console = Console(quiet=True)
        return ReviewSession(directory, TriedRun(directory, console), console)

    return open_


class Page:
    """Sends requests as the page does.

    Args:
        port: Of the server.
    """

    def __init__(self, port):
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"

    def ask(self, method, path, body=None, **headers):
        """Returns the status, the headers and the content of an answer.

        A header that is None is left out.
        """
        given = {"Host": f"{LOOPBACK}:{self.port}"}
        if method == "POST":
            given["Origin"] = self.url
        given |= {k.replace("_", "-"): v for k, v in headers.items()}
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True)
            if body is not None and "Content-Length" not in given:
                given["Content-Length"] = str(len(body))
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def post(self, path, value=b""):
        """Returns the status and the JSON of an answer to bytes, or to JSON."""
        is_bytes = isinstance(value, bytes)
        body = value if is_bytes else json.dumps(value).encode()
        code, _, content = self.ask("POST", path, body)
        return code, json.loads(content)

    def get(self, path):
        """Returns the JSON of an answer."""
        return json.loads(self.ask("GET", path)[2])


@contextlib.contextmanager
def serving():
    """Yields what serves an app, and its review, until the end."""
    servers = []

    def start(subject, review=None):
        server = make_demo_server(DemoApp(subject, review), 0)
        # It looks that often, in seconds, whether it should end.
        threading.Thread(
            target=server.serve_forever, args=(0.02,), daemon=True
        ).start()
        servers.append(server)
        return Page(server.server_address[1])

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def open_run(start, directory):
    """Serves the page of a run."""
    console = Console(quiet=True)
    subject = TriedRun(directory, console)
    return start(subject, ReviewSession(directory, subject, console))


@pytest.fixture
def serve():
    """Returns what serves an app until the test ends."""
    with serving() as start:
        yield start


@pytest.fixture
def serve_run(serve):
    """Returns what serves the page of a run."""
    return lambda directory: open_run(serve, directory)


@pytest.fixture
def page(serve_run, run):
    """The page of the doubted run, to which a test may write."""
    return serve_run(run)


@pytest.fixture(scope="session")
def shared(doubted):
    """Its page for those who only try it: Keras loads the run once."""
    with serving() as start:
        yield open_run(start, doubted)


@pytest.fixture(scope="session")
def photo(photo_folder):
    """Bytes of a JPEG."""
    return (photo_folder / "china" / "00.jpg").read_bytes()
