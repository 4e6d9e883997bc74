import html.parser

import pytest

from tlkeras import train_and_evaluate, workdir, write_report
from tlkeras.errors import InputError
from tlkeras.report.text import format_result


class Checker(html.parser.HTMLParser):
    """Collects tags that would reach out or run, and unclosed ones."""

    def __init__(self):
        super().__init__()
        self.links, self.scripts, self.text = [], 0, []

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script"
        for name, value in attributes:
            if name in ("href", "src") and not value.startswith(("data:", "#")):
                self.links.append(value)

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, photo_folder):
    from tlkeras.config import get_config

    root = tmp_path_factory.mktemp("report")
    # A class name that is markup.
    source = root / "photos"
    (source / "<b>china").mkdir(parents=True)
    (source / "flower").mkdir()
    for path in photo_folder.glob("*/*.jpg"):
        folder = "<b>china" if path.parent.name == "china" else "flower"
        (source / folder / path.name).write_bytes(path.read_bytes())
    (source / "flower" / "<script>.jpg").write_text("rubbish")
    config = get_config()
    config.data.source = str(source)
    config.model.backbone = "MobileNet"
    config.model.alpha = 0.25
    config.model.image_size = 32
    config.model.weights = "letters"
    config.phases.fine_tune.epochs = 2
    train_and_evaluate(config, root / "run")
    write_report(root / "run")
    return root / "run"


def check(page):
    checker = Checker()
    checker.feed(page)
    return checker


def test_the_page_is_self_contained_and_safe(finished):
    page = (finished / workdir.REPORT).read_text()
    found = check(page)
    assert not found.links
    assert not found.scripts
    assert "<b>china" not in page
    assert "&lt;b&gt;china" in page
    assert len(page) < 5_000_000


def test_the_page_says_what_happened(finished):
    text = " ".join(check((finished / workdir.REPORT).read_text()).text)
    for part in (
        "linear_probe",
        "fine_tune",
        "Confusion matrix",
        "<script>.jpg",
        "not a JPEG",
        "initial_loss",
        "tlkeras train --data=",
        "Looks at the test split so far: 1",
    ):
        assert part in text, part


def test_the_last_lines_say_which_phase_is_kept(finished):
    result = workdir.read_json(finished / workdir.RESULT)
    text = format_result(result, finished)
    kept = [line for line in text.splitlines() if line.endswith("<- kept")]
    assert len(kept) == 1
    assert kept[0].startswith(result["best_phase"])


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no run directory"):
        write_report(tmp_path)
