"""Configs whose searches take seconds."""

import pytest

from tlkeras.tuning.plan import make_plan

SPACE = {
    "phases.linear_probe.learning_rate": "1e-4:1e-1:log",
    "model.head_l2": "1e-6:1e2:log",
}


@pytest.fixture
def search_config(small_config):
    """Codes mode on two classes of photo crops, a second a search."""
    small_config.phases.linear_probe.epochs = 4
    small_config.phases.linear_probe.batch_size = 16
    small_config.phases.linear_probe.optimizer = "sgd"
    small_config.evaluation.test_at_end = False
    small_config.tuning.num_trials = 12
    small_config.tuning.coarse_epochs = 2
    return small_config


@pytest.fixture
def search_plan(search_config):
    return make_plan(search_config, SPACE)
