"""Data are checked before the first trial."""

import shutil

import pytest
from PIL import Image

from tlkeras import workdir
from tlkeras.errors import GateError
from tlkeras.tuning.plan import make_plan
from tlkeras.tuning.tune import tune

SPACE = {"phases.linear_probe.learning_rate": "1e-4:1e2:log"}


def test_data_that_the_final_runs_would_refuse_end_the_search_at_once(
    search_config, photo_folder, tmp_path
):
    for split in ("train", "validation"):
        for name in ("china", "flower"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number in range(6) if split == "train" else range(6, 9):
                source = photo_folder / name / f"{number:02d}.jpg"
                shutil.copy(source, folder / source.name)
    with Image.open(tmp_path / "photos/train/china/00.jpg") as photo:
        photo.save(tmp_path / "photos/validation/china/copy.png")
    search_config.data.source = str(tmp_path / "photos")
    with pytest.raises(GateError, match="near_duplicates"):
        tune(
            search_config, make_plan(search_config, SPACE), tmp_path / "search"
        )
    assert not list((tmp_path / "search").rglob(workdir.OUTCOME))
