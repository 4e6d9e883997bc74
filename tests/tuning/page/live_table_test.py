import io
import sys

from tlkeras.tuning.page.lines import format_trials
from tlkeras.tuning.page.live_table import LiveTable
from tlkeras.tuning.trials.asked import Asked
from tlkeras.tuning.trials.outcome import TrialOutcome

RATE = "phases.fine_tune.learning_rate"


def make_asked(tmp_path, *rates, epochs=5):
    return [Asked({RATE: rate}, epochs, tmp_path) for rate in rates]


def test_single_trials_get_a_line_each(listening_console, tmp_path):
    console = listening_console
    with LiveTable(console, [RATE], 2, None) as table:
        for rate, accuracy in ((1e-3, 0.5), (1e-2, None)):
            table.begin(make_asked(tmp_path, rate))
            status = "completed" if accuracy else "failed"
            reason = "" if accuracy else "killed by SIGKILL"
            table.end(TrialOutcome({RATE: rate}, status, reason, accuracy))
    first, second = console.lines
    assert first.startswith("val_acc: 0.500000, lr: 1.000000e-03, (1 / 2)")
    assert "<-- best so far" in first
    assert "val_acc: failed" in second
    assert "killed by SIGKILL" in second
    assert "an hour" in second
    assert "0 s left" in second


def test_trials_at_once_get_two_lines(listening_console, tmp_path):
    console = listening_console
    with LiveTable(console, [RATE], None, None) as table:
        table.begin(make_asked(tmp_path, 1e-3, 1e-2, 1e-1))
        for rate in (1e-3, 1e-2, 1e-1):
            table.end(TrialOutcome({RATE: rate}, "completed", "", 0.5 + rate))
    assert console.lines[0] == "stage 1: 3 trials at once, 5 epochs"
    assert "best 0.6000 at lr 0.1" in console.lines[1]
    assert "left" not in console.lines[1]


def test_a_terminal_gets_a_table_that_renews_itself(
    listening_console, tmp_path, monkeypatch
):
    from rich.console import Console as RichConsole

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    console = listening_console
    with LiveTable(console, [RATE], 4, 60.0) as table:
        table.begin(make_asked(tmp_path, 1e-3))
        table.end(TrialOutcome({RATE: 1e-3}, "completed", "", 0.75))
        page = RichConsole(file=io.StringIO(), width=100)
        page.print(table._render())
        shown = page.file.getvalue()
    assert not console.lines
    for text in ("best so far", "0.7500 at lr 0.001", "1 trials", "s left"):
        assert text in shown


def test_lines_mark_the_best_and_name_what_is_ambiguous():
    names = (RATE, "phases.linear_probe.learning_rate")
    values = {names[0]: 0.1, names[1]: 2.0}
    trial = TrialOutcome(values, "completed", val_accuracy=0.5)
    text = format_trials(
        [trial, TrialOutcome(values, "failed", "why")], 0, names
    )
    first, second = text.splitlines()
    assert first == (
        f"val_acc: 0.500000, {names[0]}: 1.000000e-01, "
        f"{names[1]}: 2.000000e+00, (1 / 2)  <-- best"
    )
    assert second.endswith("(2 / 2)  why")
