"""One experiment = one locked ConfigDict; `defaults.py` lists every field."""

from tlkeras.config.defaults import get_config
from tlkeras.config.hashing import config_hash, default_workdir
from tlkeras.config.presets import apply_preset
from tlkeras.config.validate import validate

__all__ = [
    "apply_preset",
    "config_hash",
    "default_workdir",
    "get_config",
    "validate",
]
