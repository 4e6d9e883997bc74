"""`python -m benchmarks.torture [configs] [images] [kills] [--seed=0] ...`."""

import argparse
import importlib
import tempfile
from pathlib import Path

# Campaign -> how much it tries where --count does not say.
CAMPAIGNS = {"configs": 100_000, "images": 100_000, "kills": 200}


def main() -> None:
    """Runs campaigns and prints their counts; exits with 1 on findings."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.torture")
    parser.add_argument("campaigns", nargs="*", metavar="|".join(CAMPAIGNS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, help="of each campaign named")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir(), "tlkeras-torture"),
        help="what the campaigns write, and what reproduces findings",
    )
    given = parser.parse_args()
    names = given.campaigns or list(CAMPAIGNS)
    if unknown := set(names) - set(CAMPAIGNS):
        parser.error(f"unknown {sorted(unknown)}; expected {list(CAMPAIGNS)}")
    num_findings = 0
    for name in names:
        campaign = importlib.import_module(f"benchmarks.torture.{name}")
        count = given.count or CAMPAIGNS[name]
        tally = campaign.run(given.seed, count, given.folder / name)
        print(tally.report(), flush=True)
        num_findings += len(tally.findings)
    raise SystemExit(bool(num_findings))


if __name__ == "__main__":
    main()
