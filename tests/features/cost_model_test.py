import dataclasses

import pytest

from tlkeras.features import cost_measurement
from tlkeras.features.cost_model import CostModel, describe_costs
from tlkeras.features.layout import Layout

MODEL = CostModel(
    image_seconds=0.01,
    warm_up_seconds=2.0,
    shard_seconds=0.5,
    scan_seconds=0.002,
    file_seconds=0.1,
    image_bytes=100_000,
    layout=Layout(((1280,),), "float32"),
)


def test_time_is_that_of_the_formula():
    # N c / W + warm-up + (N / R) o / W
    number = 1000 * 4096
    expected = number * 0.01 / 10 + 2 + 1000 * 0.5 / 10
    assert MODEL.wall_seconds(number, 10) == pytest.approx(expected)
    here = number * 0.002 / 2 + 1000 * 0.1
    assert MODEL.here_seconds(number, 2) == pytest.approx(here)


def test_more_workers_than_shards_do_not_help():
    assert MODEL.num_shards(512) == 2
    assert MODEL.num_shards(513) == 3
    assert MODEL.wall_seconds(512, 2) == MODEL.wall_seconds(512, 1000)
    assert MODEL.wall_seconds(512, 1) > MODEL.wall_seconds(512, 2)


def test_the_busiest_worker_counts():
    one, two = (MODEL.wall_seconds(768, count) for count in (3, 2))
    assert two - MODEL.warm_up_seconds == pytest.approx(
        2 * (one - MODEL.warm_up_seconds)
    )


def test_the_table_has_a_row_for_each_number():
    lines = describe_costs(MODEL, [500, 10**9], num_cores=2)
    assert "an image: 10.0 ms of a core, 100.0 kB read, 5.1 kB" in lines[0]
    assert "2.0 s until it begins" in lines[1]
    assert "1,000,000,000" in lines[-1]
    assert "5.1 TB" in lines[-1]
    assert lines[-1].split()[-1] == "244,141"  # shards
    assert "2.6 MB" in lines[-2]
    assert "117.2 d" in lines[-1]  # one core


def test_what_is_measured_is_positive_and_nothing_stays(
    make_prefix, photo_split, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        cost_measurement.tempfile, "tempdir", str(tmp_path / "measured")
    )
    (tmp_path / "measured").mkdir()
    prefix = make_prefix()
    model = cost_measurement.measure_costs(prefix, photo_split, 0.5)
    assert model.layout == prefix.layout
    values = dataclasses.asdict(model)
    del values["layout"]
    assert all(value > 0 for value in values.values()), values
    assert not [*(tmp_path / "measured").iterdir()]
