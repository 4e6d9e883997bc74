"""Commands as a user types them."""

import pytest
from absl import flags

from tlkeras.cli.main import main


@pytest.fixture
def run(capfd):
    """Returns a function that runs a command: (exit code, stdout, stderr)."""
    known = set(flags.FLAGS)

    def call(*arguments):
        try:
            with pytest.raises(SystemExit) as end:
                main(["tlkeras", *map(str, arguments)])
        finally:
            for name in set(flags.FLAGS) - known:
                delattr(flags.FLAGS, name)
            flags.FLAGS.unparse_flags()
        out, err = capfd.readouterr()
        return end.value.code or 0, out, err

    return call
