"""The page in a real browser: the system's Chromium, driven by Playwright.

Neither fetches a browser of its own. Each test skips, saying why, where the
browser or the driver is missing.
"""

import functools

import pytest

from tlkeras import workdir

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def visit(browser):
    """Returns what shows a report, opened once, on a screen and in a scheme.

    What went wrong since it was opened is collected.
    """
    context = browser.new_context()
    pages = {}

    def open_page(directory):
        page = context.new_page()
        page.problems, page.requests = [], []
        page.on("console", lambda message: page.problems.append(message.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto((directory / workdir.REPORT).as_uri())
        return page

    def show(directory, *, viewport=DESKTOP, scheme="light"):
        page = pages.get(directory) or open_page(directory)
        pages[directory] = page
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme, media="screen")
        return page

    yield show
    context.close()


def require_accessible(show, find_violations):
    """Asserts it in both schemes, between which only colors differ."""
    assert find_violations(show(scheme="light")) == []
    colors = {"type": "rule", "values": ["color-contrast"]}
    assert find_violations(show(scheme="dark"), runOnly=colors) == []


def require_sound(page, directory):
    """Asserts what must hold of each report, whatever it shows."""
    assert page.problems == []
    own = (directory / workdir.REPORT).as_uri()
    assert {url for url in page.requests if not url.startswith("data:")} == {
        own
    }
    widths = page.evaluate(
        "Promise.all([...document.images].map(i => i.decode()"
        ".then(() => i.naturalWidth, () => 0)))"
    )
    assert all(widths)
    assert page.evaluate(
        "[...document.querySelectorAll('nav a')].every(a => "
        "document.getElementById(a.hash.slice(1)).offsetHeight > 60)"
    )


def test_a_real_run_has_every_section(real, visit):
    page = visit(real)
    require_sound(page, real)
    shown = page.locator("main > section > h2").all_inner_texts()
    assert shown == [
        "Result",
        "What was done",
        "Diagnosis",
        "Curves",
        "Confusion",
        "Classes",
        "Mistakes",
        "Calibration",
        "Codes",
        "First-layer filters",
        "Data",
        "Checks",
        "How to reproduce",
    ]
    assert (real / workdir.REPORT).stat().st_size < 5_000_000


@pytest.mark.slow
@pytest.mark.assets
def test_a_run_on_clothing_photos_is_sound_and_accessible(
    clothing_config, tmp_path, visit, find_violations
):
    from tlkeras import train_and_evaluate, write_report

    config = clothing_config
    config.data.images_per_class = 60
    config.model.image_size = 96
    config.phases.fine_tune.epochs = 1
    config.phases.fine_tune.trainable_from = "stage5"
    train_and_evaluate(config, tmp_path / "run")
    write_report(tmp_path / "run")
    for viewport in (DESKTOP, PHONE):
        page = visit(tmp_path / "run", viewport=viewport, scheme="dark")
        require_sound(page, tmp_path / "run")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= viewport["width"]
        assert find_violations(page) == []
    # Which phase is kept, and so which sections follow, may differ by machine.
    assert page.locator("main > section").count() >= 12
    # Real photos among the surest mistakes, each with what it was taken for.
    assert page.locator("#mistakes .gallery img").count() > 10
    assert page.locator("#mistakes .gone").count() == 0
    # Beside each of the surest a map of what it was taken for.
    pairs = page.locator("#mistakes .pairs .both")
    assert pairs.count() == page.locator("#mistakes .pairs li").count() > 5
    assert page.locator("#mistakes .both img").count() == 2 * pairs.count()
    assert (tmp_path / "run" / workdir.REPORT).stat().st_size < 5_000_000


def test_every_case_is_sound_and_fits_a_phone(case, visit):
    _, directory = case
    page = visit(directory, viewport=PHONE)
    require_sound(page, directory)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_every_case_is_accessible_in_light_and_dark(
    case, visit, find_violations
):
    require_accessible(functools.partial(visit, case[1]), find_violations)


def test_a_real_run_is_accessible_on_a_phone(real, visit, find_violations):
    show = functools.partial(visit, real, viewport=PHONE)
    require_accessible(show, find_violations)
    for scheme in ("light", "dark"):
        page = show(scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_keyboard_reaches_the_report_and_its_regions(real, visit):
    page = visit(real, viewport=PHONE)
    page.reload()  # nothing has the focus
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    region = page.get_by_role("region", name="Each class on test")
    for _ in range(60):
        page.keyboard.press("Tab")
        if region.evaluate("node => node === document.activeElement"):
            break
    outline = region.evaluate("node => getComputedStyle(node).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("ArrowRight")
    for _ in range(100):  # the scroll is animated
        page.wait_for_timeout(20)
        if scrolled := region.evaluate("node => node.scrollLeft"):
            break
    assert scrolled


def test_the_accessibility_check_sees_a_fault(real, visit, find_violations):
    page = visit(real)
    page.evaluate(
        "document.querySelector('#mistakes, main').innerHTML += "
        "'<p style=\"color: #ccc; background: #fff\">pale</p>'"
    )
    found = find_violations(page)
    page.reload()
    assert [rule for rule, _ in found] == ["color-contrast"]


def test_dark_charts_are_light_on_dark(real, visit):
    colors = {}
    for scheme in ("light", "dark"):
        page = visit(real, scheme=scheme)
        text = page.locator("#curves svg text").first
        colors[scheme] = text.evaluate("node => getComputedStyle(node).fill")
    assert colors["light"] != colors["dark"]


def test_it_prints_on_paper_in_light_colors(real, visit):
    page = visit(real, scheme="dark")
    page.emulate_media(media="print")
    assert (
        page.evaluate("getComputedStyle(document.body).backgroundColor")
        == "rgb(255, 255, 255)"
    )
    assert not page.locator("nav").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
