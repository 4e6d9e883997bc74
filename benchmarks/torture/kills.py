"""Real commands, killed at random moments and run again until they end.

A chain is one command in one directory: killed, run again, perhaps killed
again, and in the end as good as one that nobody touched.
"""

import re
import shutil
import signal
from pathlib import Path

import numpy as np

from benchmarks.torture.forked import End, Kill, import_all, run_command
from benchmarks.torture.tally import Tally
from benchmarks.torture.traces import Trace, differences, read_trace
from benchmarks.torture.victims import VICTIMS, arguments, write_photos
from tlkeras import workdir

SIGTERM_SHARE = 0.2
MAX_KILLS = 4  # of a chain


def run(seed: int, count: int, folder: Path) -> Tally:
    """Kills commands until that many kills hit.

    Args:
        seed: Of the moments and signals; chain K of the seed is always the
            same, but for the speed of the machine.
        count: Kills.
        folder: For everything that is written; emptied first.
    """
    tally = Tally("kills")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    import_all()
    campaign = Campaign(folder, tally)
    names = [name for name, row in VICTIMS.items() for _ in range(row.share)]
    number = 0
    while tally.counts["kills"] < count:
        generator = np.random.default_rng((seed, number))
        order = np.random.default_rng((seed, number // len(names)))
        name = order.permutation(names)[number % len(names)]
        campaign.run_chain(str(name), f"seed {seed}, chain {number}", generator)
        number += 1
    return tally


class Campaign:
    """What the chains of a process share.

    Attributes:
        folder: Of everything.
        tally: Of the kills.
        data: Folder of class folders.
        finished: A finished run, for the exports.
        expected: Victim -> its whole trace, and the seconds that it took.
    """

    def __init__(self, folder: Path, tally: Tally) -> None:
        self.folder = folder
        self.tally = tally
        self.data = write_photos(folder)
        self.finished = folder / "train, cold" / "made"
        self.expected: dict[str, tuple[Trace, float]] = {}
        self._expect("train, cold")

    def run_chain(
        self, name: str, label: str, generator: np.random.Generator
    ) -> None:
        """Kills and resumes one command until it ends; compares."""
        expected, seconds = self._expect(name)
        folder = self.folder / "chain"
        shutil.rmtree(folder, ignore_errors=True)
        kills = int(generator.integers(1, MAX_KILLS + 1))
        moments = []
        for _ in range(kills):
            is_term = generator.random() < SIGTERM_SHARE
            number = signal.SIGTERM if is_term else signal.SIGKILL
            kill = Kill(float(generator.uniform(0.05, seconds)), number)
            end = self._run(name, folder, kill)
            if not end.was_killed:
                break
            moments.append(f"{number.name} at {kill.after:.2f} s")
            self.tally.count("kills")
            self.tally.count(f"kills of {name}")
            self.tally.count(f"kills by {number.name}")
            self.tally.count(f"kills in stage: {_stage(folder / 'made')}")
            self._judge_parts(name, folder, expected, label, moments)
            self._judge_end(end, f"{label}, {name}, {moments}")
        else:
            end = self._run(name, folder, None)
        self._judge_end(end, f"{label}, {name}, {moments}")
        self._judge(name, folder, expected, f"{label}, {name}, {moments}")
        print(f"{label}: {name}: {', '.join(moments)}", flush=True)

    def _expect(self, name: str) -> tuple[Trace, float]:
        """Runs a command to its end, once; a warm one twice."""
        if name not in self.expected:
            folder = self.folder / name
            for _ in range(1 + VICTIMS[name].is_warm):
                shutil.rmtree(folder, ignore_errors=True)
                end = self._run(name, folder, None)
                if end.code:
                    raise SystemExit(f"{name} fails untouched:\n{end.text}")
            self.expected[name] = (
                read_trace(folder / "made", folder),
                end.seconds,
            )
        return self.expected[name]

    def _run(self, name: str, folder: Path, kill: Kill | None) -> End:
        victim = VICTIMS[name]
        folder.mkdir(exist_ok=True)
        if victim.command == "features":
            (folder / "made").mkdir(exist_ok=True)
        cache = self.folder / "warm" if victim.is_warm else folder / "cache"
        self.tally.count("commands")
        return run_command(
            arguments(victim, self.data, self.finished, folder),
            folder / "output.txt",
            {"TLKERAS_CACHE": str(cache)},
            kill,
        )

    def _judge_end(self, end: End, label: str) -> None:
        by_term = end.was_killed and end.code == 128 + signal.SIGTERM
        # A signal may come before the command listens, or after its end.
        killed = end.was_killed and (end.code <= 0 or by_term)
        problems = {
            "hung": end.hung,
            "traceback": "Traceback" in end.text,
            f"exit code {end.code}": bool(end.code) and not killed,
            f"survivors {end.survivors}": bool(end.survivors),
        }
        for problem in [name for name, is_so in problems.items() if is_so]:
            self._find(f"{label}: {problem}\n{end.text[-2000:]}")

    def _judge_parts(
        self,
        name: str,
        folder: Path,
        expected: Trace,
        label: str,
        moments: list[str],
    ) -> None:
        """What others read is whole or not there, also before the resume."""
        command = VICTIMS[name].command
        if command not in WHOLE_OR_ABSENT:
            return
        found = read_trace(folder / "made", folder)
        for text in WHOLE_OR_ABSENT[command](expected, found):
            self._find(f"{label}, {name}, {moments}, before resume: {text}")

    def _judge(
        self, name: str, folder: Path, expected: Trace, label: str
    ) -> None:
        found = read_trace(folder / "made", folder)
        if VICTIMS[name].command == "export":
            wrong = judge_export(expected, found)
            if not any(re.match(r"made/\d+/", path) for path in found):
                wrong.append("no version was published")
        else:
            wrong = differences(expected, found)
        wrong += [
            f"left over: {path.relative_to(folder)}"
            for path in (folder / "made").rglob(f"{workdir.TEMPORARY}*")
        ]
        self.tally.count("results compared")
        for text in wrong:
            self._find(f"{label}: {text}")
        if wrong:
            kept = self.folder / f"kept {label.split(',')[1].strip()}"
            shutil.copytree(folder, kept, dirs_exist_ok=True)

    def _find(self, text: str) -> None:
        self.tally.find(text)


def judge_export(expected: Trace, found: Trace) -> list[str]:
    """Holds each published folder against the one of an untouched export."""
    parts: dict[str, Trace] = {}
    for trace, is_found in ((expected, False), (found, True)):
        for path, digest in trace.items():
            match = re.match(r"made/(?:(\w+)/)?(\d+)/(.*)", path)
            if match:
                kind = match.group(1) or "served"
                key = f"{kind}/{match.group(2)}" if is_found else kind
                parts.setdefault(key, {})[match.group(3)] = digest
    return [
        f"{key}: {text}"
        for key, trace in parts.items()
        if "/" in key
        for text in differences(parts.get(key.split("/")[0], {}), trace)
    ]


def judge_table(expected: Trace, found: Trace) -> list[str]:
    """A file of codes is whole or not there."""
    return differences(expected, found) if found else []


WHOLE_OR_ABSENT = {"export": judge_export, "features": judge_table}


def _stage(made: Path) -> str:
    """Returns how far a command was, as far as its files say so."""
    if (made / workdir.RESULT).exists() or (made / workdir.TUNING).exists():
        return "after the result"
    if (made / workdir.TRIALS).is_dir():
        done = len(list((made / workdir.TRIALS).glob("*/outcome.json")))
        return "tuning, no trial done" if not done else "tuning, some done"
    rows = workdir.read_table(made / workdir.HISTORY)
    if rows:
        return f"after epochs of {rows[-1]['phase']}"
    return "before anything was committed"
