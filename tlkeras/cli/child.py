"""`python -m tlkeras.cli.child PARENT COMMAND ...`: tlkeras, not orphaned.

Runs a command of the command line in a process that ends with its parent: a
trial whose search was killed must not go on in a directory that the search,
started again, gives to another process.
"""

import sys

from tlkeras.cli.main import main
from tlkeras.processes import end_with_parent

if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    main(["tlkeras", *sys.argv[2:]])
