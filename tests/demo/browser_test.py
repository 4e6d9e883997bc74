"""The page in a real browser: tried, reviewed by keys, started again."""

import re

import pytest

from tlkeras import workdir
from tlkeras.data.review_file import read_decisions

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
# A picture in the clipboard of a page, as a paste brings it.
PASTE = """async () => {
  const canvas = Object.assign(document.createElement("canvas"),
    {width: 64, height: 48});
  canvas.getContext("2d").fillRect(0, 0, 40, 40);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([blob], "pasted.png", {type: "image/png"}));
  const kind = EVENT;
  window.dispatchEvent(kind === "paste"
    ? new ClipboardEvent("paste", {clipboardData})
    : new DragEvent("drop", {dataTransfer: clipboardData}));
}"""


@pytest.fixture
def visit(browser):
    """Returns what opens a page; all that went wrong is in its `problems`."""
    contexts = []

    def open_(url, viewport=DESKTOP, scheme="light"):
        # Playwright's own functions are evaluated; the page's are not.
        context = browser.new_context(
            viewport=viewport, color_scheme=scheme, bypass_csp=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.problems, page.requests = [], []
        page.on("console", lambda message: page.problems.append(message.text))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()


def require_sound(page, url, viewport):
    """Asserts what must hold whatever is shown."""
    assert page.problems == []
    outside = [
        request
        for request in page.requests
        if not request.startswith((url, "data:", "blob:"))
    ]
    assert outside == []
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= viewport["width"]


def text_of(page, selector):
    return page.locator(selector).inner_text()


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")]
)
def test_an_image_is_answered_and_explained(
    visit, shared, photo_folder, find_violations, viewport, scheme
):
    shown = visit(shared.url, viewport, scheme)
    assert find_violations(shown) == []
    shown.set_input_files("#file", photo_folder / "china" / "00.jpg")
    shown.wait_for_selector("#answer")
    assert text_of(shown, "#label") == "china"
    assert text_of(shown, "#scores li:first-child .name") == "china"
    shown.wait_for_selector("#similar li:nth-child(5)")
    shown.wait_for_selector("#map")
    source = shown.get_attribute("#map", "src")
    shown.click("#scores li:nth-child(2) button")
    shown.wait_for_selector("#map[alt*=flower]")
    assert shown.get_attribute("#map", "src") != source
    assert find_violations(shown) == []
    require_sound(shown, shared.url, viewport)


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_an_image_may_be_pasted_or_dropped(visit, shared, kind):
    shown = visit(shared.url)
    shown.evaluate(PASTE.replace("EVENT", repr(kind)))
    shown.wait_for_selector("#answer")
    assert text_of(shown, "#label") in ("china", "flower")


def test_what_is_no_image_is_said_and_the_next_is_answered(
    visit, shared, tmp_path, photo_folder
):
    (tmp_path / "a.jpg").write_text("rubbish")
    shown = visit(shared.url)
    shown.set_input_files("#file", tmp_path / "a.jpg")
    shown.wait_for_selector("#try-error")
    assert "cannot be tried: not a JPEG" in text_of(shown, "#try-error")
    assert not shown.locator("#answer").is_visible()
    large = tmp_path / "b.jpg"
    with open(large, "wb") as file:
        file.truncate(33 * 1024**2)
    shown.set_input_files("#file", large)
    shown.wait_for_selector("text=larger than 32 MiB")
    shown.set_input_files("#file", photo_folder / "flower" / "00.jpg")
    shown.wait_for_selector("#answer")
    assert not shown.locator("#try-error").is_visible()


def test_the_review_goes_by_keys_and_survives_a_restart(
    visit, run, serve_run, page, find_violations
):
    shown = visit(page.url)
    shown.keyboard.press("Tab")  # the skip link, then the tabs
    shown.keyboard.press("Tab")
    shown.keyboard.press("ArrowRight")
    shown.wait_for_selector("#classes button")
    assert find_violations(shown) == []
    assert text_of(shown, "#progress").startswith("0 of ")

    def press(key, says):
        shown.keyboard.press(key)
        # After the image's name, which may be that of its class; until then
        # other keys are not heard, for they would be about a card unseen.
        told = re.compile(f": .*{says}")
        shown.locator("#last").filter(has_text=told).wait_for()

    picture = shown.get_attribute("#pictures img", "src")
    press("2", "flower")
    assert shown.get_attribute("#pictures img", "src") != picture
    press("b", "bad")
    press("u", "taken back")
    press("s", "skip")
    press("1", "china")
    press("d", "duplicate")  # the pair
    assert text_of(shown, "#progress").startswith("4 of ")
    require_sound(shown, page.url, DESKTOP)
    rows = read_decisions(run / workdir.REVIEW)
    assert [(row.decision, row.label) for row in rows] == [
        ("relabel", "flower"),
        ("bad", ""),
        ("undo", ""),
        ("skip", ""),
        ("relabel", "china"),
        ("duplicate", ""),
    ]
    # Another process, a phone: it goes on where it was.
    again = serve_run(run)
    shown = visit(f"{again.url}#review", PHONE, "dark")
    shown.wait_for_selector("#question:not(:empty)")
    assert text_of(shown, "#progress").startswith("4 of ")
    assert find_violations(shown) == []
    shown.click("[data-act=undo]")
    shown.wait_for_selector("#pictures figure:nth-child(2)")  # the pair again
    assert text_of(shown, "#progress").startswith("3 of ")
    require_sound(shown, again.url, PHONE)


def test_keys_are_letters_in_a_field_and_one_for_a_browser(visit, page, run):
    shown = visit(f"{page.url}#review")
    shown.wait_for_selector("#classes button")
    shown.evaluate("document.getElementById('other').hidden = false")
    shown.keyboard.press("/")
    shown.keyboard.type("bud")
    assert shown.input_value("#other-class") == "bud"
    shown.keyboard.press("Enter")
    shown.wait_for_selector("text='bud' is no class of this run")
    shown.keyboard.press("Escape")
    shown.keyboard.press("Control+b")
    assert not (run / workdir.REVIEW).exists()


def test_a_run_without_its_images_says_so(visit, run, source, serve_run):
    path = run / "config.json"
    path.write_text(path.read_text().replace(str(source), "/gone/photos"))
    page = serve_run(run)
    shown = visit(f"{page.url}#review")
    shown.wait_for_selector("#review-note:has-text('/gone/photos')")
    assert not shown.locator("#reviewing").is_visible()
    require_sound(shown, page.url, DESKTOP)


def test_the_policy_of_the_page_lets_nothing_else_run(browser, shared):
    context = browser.new_context()
    try:
        shown = context.new_page()
        problems = []
        shown.on("console", lambda message: problems.append(message.text))
        shown.goto(shared.url)
        assert problems == []
        shown.evaluate(
            "document.body.append(Object.assign("
            "document.createElement('script'), {text: 'window.bad = 1'}))"
        )
        assert shown.evaluate("window.bad") is None
        assert any("Content Security Policy" in text for text in problems)
    finally:
        context.close()


def test_a_photograph_is_answered(visit, shared):
    shown = visit(shared.url)
    shown.click("#photograph")
    shown.wait_for_function("document.getElementById('video').videoWidth")
    shown.click("#shoot")
    shown.wait_for_selector("#answer")
    assert not shown.locator("#camera").is_visible()
    require_sound(shown, shared.url, DESKTOP)
