"""The page: one HTML file, one style, one script, all from here."""

import functools

from tlkeras.demo.subject import TriedModel
from tlkeras.demo.uploads import MAX_UPLOAD_BYTES
from tlkeras.pages import make_environment


def render_page(subject: TriedModel, *, has_review: bool) -> str:
    """Returns the page of a model as HTML.

    Args:
        subject: The model.
        has_review: Whether there are images to review.
    """
    return (
        make_environment("tlkeras.demo")
        .get_template("page.html")
        .render(
            subject=subject,
            has_review=has_review,
            max_bytes=MAX_UPLOAD_BYTES,
        )
    )


@functools.cache
def render_style() -> str:
    """Returns the CSS: colours, the report's style, and what is new here."""
    environment = make_environment("tlkeras.demo")
    report = make_environment("tlkeras.report").get_template("style.css")
    own = environment.get_template("demo.css")
    theme = environment.globals["theme"]
    return f"{theme}\n{report.render()}\n{own.render()}"


@functools.cache
def render_script(name: str) -> str:
    """Returns a file of JavaScript.

    Args:
        name: Of the template.
    """
    environment = make_environment("tlkeras.demo", escapes=False)
    return environment.get_template(name).render()
