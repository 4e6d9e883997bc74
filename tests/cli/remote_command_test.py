"""The main job from and to a store, as a user types it."""

import json

import numpy as np
import pytest

from tlkeras import remote, remote_listing, remote_output, workdir
from tlkeras.data import mirror


class KilledError(BaseException):
    """As if the process were gone."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def bucket(s3_url, photo_folder):
    """Sixteen photos of each class in a bucket."""
    for name in ("china", "flower"):
        for path in sorted((photo_folder / name).iterdir())[:16]:
            remote.upload(path, f"{s3_url}/photos/{name}/{path.name}")
    return s3_url


@pytest.fixture
def train(run, config_file):
    def train(source, directory, *more):
        return run(
            "train",
            f"--config={config_file}",
            f"--data={source}",
            f"--workdir={directory}",
            "--config.phases.fine_tune.epochs=3",
            "--config.phases.fine_tune.trainable_from=stage2",
            "--config.report.enabled=False",
            *more,
        )

    return train


def die_at(monkeypatch, name, count):
    """Lets the process be killed before its `count`-th upload of a file."""
    upload, left = remote_output.upload, [count]

    def act(path, url):
        left[0] -= path.name == name
        if not left[0]:
            raise KilledError
        upload(path, url)

    monkeypatch.setattr(remote_output, "upload", act)


def test_the_main_job_needs_no_disk_of_its_own(
    bucket, train, run, tmp_path, monkeypatch
):
    photos, first = f"{bucket}/photos", f"{bucket}/runs/first"
    with monkeypatch.context() as patch:
        die_at(patch, workdir.STATE, 3)
        with pytest.raises(KilledError):
            train(photos, first)
    uploaded = {file.name for file in remote_listing.list_files(first)}
    assert workdir.CONFIG in uploaded
    assert f"{workdir.CHECKPOINTS}/{workdir.STATE}" in uploaded
    assert workdir.RESULT not in uploaded
    # Another machine goes on; to the bit as if nothing had happened.
    monkeypatch.setenv("TLKERAS_CACHE", str(tmp_path / "elsewhere"))
    code, out, err = train(photos, first)
    assert code == 0, err
    assert "32 remote images" in out
    assert f"{first} holds what changed" in err
    (directory,) = (tmp_path / "elsewhere" / "workdirs").glob("*/first")
    local = tmp_path / "photos"
    for file in remote_listing.list_files(photos):
        (local / file.name).parent.mkdir(parents=True, exist_ok=True)
        (local / file.name).write_bytes(remote.read_bytes(file.url))
    assert train(local, tmp_path / "plain")[0] == 0
    assert scores_of(directory) == scores_of(tmp_path / "plain")
    # A finished run is only read, and images that are here are not fetched.
    fetched = []
    monkeypatch.setattr(mirror, "keep_copy", lambda *_: fetched.append(1))
    assert train(photos, first)[0] == 0
    assert not fetched
    check_what_follows(run, bucket, tmp_path)


def scores_of(directory):
    result = workdir.read_json(directory / workdir.RESULT)
    rows = workdir.read_table(directory / workdir.HISTORY)
    return {k: v for k, v in result.items() if k.startswith(("val", "test"))}, [
        {k: v for k, v in row.items() if k != "seconds"} for row in rows
    ]


def check_what_follows(run, bucket, tmp_path):
    """Evaluates, exports and predicts from the run in the store."""
    first, photo = f"{bucket}/runs/first", f"{bucket}/photos/flower/03.jpg"
    code, _, err = run("evaluate", f"--workdir={first}")
    assert code == 0, err
    stored = {file.name for file in remote_listing.list_files(first)}
    assert workdir.evaluation_name("validation") in stored
    code, out, err = run("predict", f"--workdir={first}", photo)
    assert code == 0, err
    assert photo in out
    assert {file.name for file in remote_listing.list_files(first)} == stored
    models = f"{bucket}/models/photos"
    for version in (1, 2):
        code, _, err = run(
            "export",
            f"--workdir={first}",
            f"--output={models}",
            "--formats=float32",
        )
        assert code == 0, err
        names = {file.name for file in remote_listing.list_files(models)}
        assert any(n.startswith(f"tflite/{version}/") for n in names)
        content = remote.read_bytes(f"{models}/export.json")
        record = json.loads(content)
        assert (record["version"], record["run"]) == (version, first)
    assert not list((tmp_path / "elsewhere" / "outputs").iterdir())


def test_codes_are_written_to_a_store(bucket, run, config_file, tmp_path):
    url = f"{bucket}/codes/all.npz"
    code, _, err = run(
        "features",
        f"--config={config_file}",
        f"--data={bucket}/photos",
        f"--output={url}",
        "--layer=conv_pw_1_relu",
        "--quiet",
    )
    assert code == 0, err
    remote.fetch(url, tmp_path / "codes.npz", None)
    codes = np.load(tmp_path / "codes.npz")
    assert len(codes["codes"]) == 32
    assert f"{bucket}/photos/china/00.jpg" in codes["paths"]


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--workdir=ftps://host/run", "Unknown scheme of an address 'ftps'"),
        ("--workdir=https://host/run", "Nothing can be written to 'https"),
        ("--workdir=s3://no-such-bucket-1/run", "does not exist"),
        ("--data=s3://no-such-bucket-1/photos", "does not exist"),
        ("--data=ftps://host/photos", "Unknown scheme"),
    ],
)
def test_bad_addresses_are_one_sentence(run, s3_url, tmp_path, flag, words):
    arguments = {"--data": "digits", "--workdir": tmp_path / "run"}
    arguments |= dict([flag.split("=")])
    code, _, err = run("train", *(f"{k}={v}" for k, v in arguments.items()))
    assert code == 2
    assert words in err
    assert err.count("\n") == 1
