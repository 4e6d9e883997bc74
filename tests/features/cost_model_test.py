import dataclasses

import pytest

from tlkeras.features import cost_measurement
from tlkeras.features.cost_model import CostModel, describe_costs

MODEL = CostModel(
    image_seconds=0.01,
    warm_up_seconds=2.0,
    shard_seconds=0.5,
    scan_seconds=0.002,
    file_seconds=0.1,
    image_bytes=100_000,
    row_bytes=5120,
    shard_rows=100,
)


def test_time_is_that_of_the_formula():
    # N c / W + warm-up + (N / R) o / W
    expected = 10**6 * 0.01 / 10 + 2 + 10**4 * 0.5 / 10
    assert MODEL.wall_seconds(10**6, 10) == pytest.approx(expected)
    assert MODEL.here_seconds(10**6, 2) == pytest.approx(1000 + 1000)


def test_more_workers_than_shards_do_not_help():
    assert MODEL.wall_seconds(200, 2) == MODEL.wall_seconds(200, 1000)
    assert MODEL.wall_seconds(200, 1) > MODEL.wall_seconds(200, 2)
    assert MODEL.num_shards(201) == 3


def test_shares_of_images_are_of_the_busiest_worker():
    more = dataclasses.replace(MODEL, image_seconds=0.02)
    assert more.wall_seconds(10**6, 7) > MODEL.wall_seconds(10**6, 7)


def test_the_table_has_a_row_for_each_number():
    lines = describe_costs(MODEL, [500, 10**9], num_cores=2)
    text = "\n".join(lines)
    assert "an image: 10.0 ms of a core, 100.0 kB read, 5.1 kB" in lines[0]
    assert "2.0 s until it begins" in lines[1]
    assert "1,000,000,000" in lines[-1]
    assert "5.1 TB" in lines[-1]
    assert "10,000,000" in lines[-1].split()[-1]  # shards
    assert "2.6 MB" in lines[-2]
    assert "173.6 d" in text  # one core


def test_what_is_measured_is_positive_and_nothing_stays(
    make_prefix, photo_split, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        cost_measurement.tempfile, "tempdir", str(tmp_path / "measured")
    )
    (tmp_path / "measured").mkdir()
    prefix = make_prefix()
    model = cost_measurement.measure_costs(prefix, photo_split, 0.5)
    values = dataclasses.asdict(model)
    assert all(value > 0 for value in values.values()), values
    assert model.row_bytes == prefix.layout.row_bytes
    assert not [*(tmp_path / "measured").iterdir()]
