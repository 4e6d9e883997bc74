"""The table of backbones that the doctor lists."""

import importlib.util

import keras
import pytest

from tlkeras.models.backbone_facts import FACTS
from tlkeras.models.hub_backbone import HubPreset
from tlkeras.report.doctor import describe_backbones


def refuse(*arguments, **options):
    raise AssertionError("a network was built")


@pytest.fixture(autouse=True)
def nothing_is_built(monkeypatch):
    monkeypatch.setattr(keras.Model, "__init__", refuse)


def test_backbones_are_listed_with_what_is_here(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / FACTS["VGG16"].weights_file).touch()
    rows = "\n".join(describe_backbones()).splitlines()
    vgg = next(row for row in rows if row.startswith("VGG16"))
    assert vgg.split()[1:5] == ["224", "14,714,688", "caffe", "cached"]
    assert sum(" download " in row for row in rows) == len(FACTS) - 1
    assert "pip install 'tlkeras[hub]'" in rows[-1]


def test_presets_are_listed_with_what_is_here(monkeypatch, tmp_path):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    here = HubPreset(1234, "kaggle://keras/vit/keras/here/1")
    here.cache.mkdir(parents=True)
    presets = {"here": here, "there": HubPreset(5, "kaggle://keras/there/2")}
    monkeypatch.setattr("tlkeras.report.doctor.hub_presets", lambda: presets)
    rows = "\n".join(describe_backbones()).splitlines()
    assert any(r.split()[:3] == ["hub:here", "1,234", "cached"] for r in rows)
    assert any(r.split()[:3] == ["hub:there", "5", "download"] for r in rows)
