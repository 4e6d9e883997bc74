"""What `tuning.mode` can name: the two ways to run trials."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mode:
    """A way to run trials, as far as a plan depends on it.

    Attributes:
        num_trials: Of a search whose config does not say how many.
        on_codes: Whether a trial is a head alone, trained on cached codes as
            the first phase says; otherwise it is a whole run.
    """

    num_trials: int
    on_codes: bool


# How they run: `trials.runners.RUNNERS`. `auto` is resolved by `make_plan`.
MODES: dict[str, Mode] = {
    "codes": Mode(num_trials=100, on_codes=True),
    "full": Mode(num_trials=20, on_codes=False),
}
