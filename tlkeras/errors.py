"""The two ways a command can end badly, and what each one means."""


class InputError(ValueError):
    """A user's mistake: bad input, configuration or environment (exit code 2).

    The message is one sentence that says what happened, what was expected and
    how to fix it; the command line prints it without a traceback.
    """


class GateError(RuntimeError):
    """The job ran and failed a gate, such as a check (exit code 1)."""
