"""Run directories made without training, each with its report."""

import pytest

from .builders import write_run
from .extras import make_few_codes, make_older, write_extras

MARKUP = (
    "<b>bold</b>",
    "\"quotes\" & 'ticks'",
    "$x^2$ and $y",
    "| pipe ` tick",
    "</style><script>alert(1)</script>",
    "日本語 \u202eعربي 👗",
    "--> ]]> {{ 7 * 7 }}",
    "a_very_long_name_" * 12,
)
SOURCE = "/photos/<img src=x onerror=alert(1)>"

# Name -> (arguments of write_run, what is done to the directory then).
CASES = {
    "markup": (
        {"class_names": MARKUP, "changes": {"data.source": SOURCE}},
        write_extras,
    ),
    "thousand classes": (
        {
            "class_names": tuple(f"class {i:03d}" for i in range(1000)),
            "num_images": 2500,
        },
        None,
    ),
    "two classes": ({}, write_extras),
    "one epoch": ({"epochs": 1}, None),
    "diverged": (
        {
            "losses": [1.0, 1e6, float("inf"), float("nan")],
            "epochs": 4,
            "stopped": "the loss passed 3 times its first value",
        },
        make_few_codes,
    ),
    "no test split": ({"with_test": False}, None),
    "several labels": (
        {"class_names": ("a", "b", "c"), "multi_label": True},
        None,
    ),
    "missing images": ({"paths": ("/absent/a.jpg",)}, None),
    "solved only": ({"epochs": 0}, None),
    "no history": ({"epochs": 0, "with_history": False}, None),
    "older": ({}, make_older),
}


@pytest.fixture(scope="session")
def photos(photo_folder):
    """Paths of real JPEGs."""
    return sorted(photo_folder.glob("*/*.jpg"))


@pytest.fixture(scope="session")
def reported(tmp_path_factory, photos):
    """Returns a function: name of a case -> its directory, with the report."""
    from tlkeras.report.page import write_report

    made = {}

    def make(name):
        if name not in made:
            arguments, change = CASES[name]
            directory = tmp_path_factory.mktemp("case") / "run"
            write_run(directory, **{"paths": photos, **arguments})
            if change:
                change(directory)
            write_report(directory)
            made[name] = directory
        return made[name]

    return make


@pytest.fixture(scope="session")
def real(tmp_path_factory, photo_folder, make_small_config):
    """The run directory of a real, small run with both phases."""
    from tlkeras import train_and_evaluate, write_report

    root = tmp_path_factory.mktemp("report")
    # A class name that is markup.
    source = root / "photos"
    (source / "<b>china").mkdir(parents=True)
    (source / "flower").mkdir()
    for path in photo_folder.glob("*/*.jpg"):
        folder = "<b>china" if path.parent.name == "china" else "flower"
        (source / folder / path.name).write_bytes(path.read_bytes())
    (source / "flower" / "<script>.jpg").write_text("rubbish")
    config = make_small_config(
        {
            "data.source": str(source),
            "phases.fine_tune.trainable_from": "all",
        }
    )
    train_and_evaluate(config, root / "run")
    write_report(root / "run")
    return root / "run"


@pytest.fixture(params=list(CASES))
def case(request, reported):
    """(name, directory) of each case."""
    return request.param, reported(request.param)
