"""Where the chief of a search is, by keras-tuner's own variables."""

import dataclasses
import os

from ml_collections import ConfigDict

from tlkeras.errors import InputError
from tlkeras.tuning.modes import MODES

IP, PORT, TUNER = (
    "KERASTUNER_ORACLE_IP",
    "KERASTUNER_ORACLE_PORT",
    "KERASTUNER_TUNER_ID",
)


@dataclasses.dataclass(frozen=True)
class Address:
    """Where the chief is, and who this process is.

    Attributes:
        ip: Of the chief.
        port: Of the chief.
        tuner_id: Of this process; one with `chief` in it is the chief.
    """

    ip: str
    port: int
    tuner_id: str

    @property
    def is_chief(self) -> bool:
        """Whether this process is the chief, by keras-tuner's own rule."""
        return "chief" in self.tuner_id


def read_address() -> Address | None:
    """Reads keras-tuner's variables; None where there are none.

    Raises:
        InputError: If some of them are missing, or the port is no port.
    """
    if IP not in os.environ:
        return None
    missing = [name for name in (PORT, TUNER) if not os.environ.get(name)]
    port = os.environ.get(PORT, "")
    if missing or not port.isdigit() or not 0 < int(port) < 65536:
        problem = f"{missing[0]} is missing" if missing else f"{PORT}={port}"
        raise InputError(
            f"{IP} is set, but {problem}; expected the chief's address, a port "
            f"and this process' id: set {IP}, {PORT} and {TUNER}."
        )
    return Address(os.environ[IP], int(port), os.environ[TUNER])


def require_processes(config: ConfigDict) -> None:
    """Chooses full mode, in which trials are processes, for a chief's search.

    Raises:
        InputError: If the config asks for codes mode.
    """
    mode = MODES.get(config.tuning.mode)
    if mode is not None and mode.on_codes:
        raise InputError(
            f"{IP} is set, but tuning.mode is '{config.tuning.mode}', which "
            "trains all heads in one process; expected trials for workers: set "
            f"--config.tuning.mode=full, or unset {IP}."
        )
    config.tuning.mode = "full"
