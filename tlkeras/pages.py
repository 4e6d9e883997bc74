"""Templates of pages and cards, each beside the code that fills it."""

from typing import TYPE_CHECKING

from tlkeras import charts

if TYPE_CHECKING:
    import jinja2


def make_environment(
    package: str, folder: str = "templates", *, escapes: bool = True
) -> "jinja2.Environment":
    """Returns what renders the templates of a package.

    A name that a template misses is an error. `theme`, the CSS variables of
    charts, is known to all.

    Args:
        package: Dotted name of the package that holds the templates.
        folder: In the package.
        escapes: Whether what comes from data is escaped, as HTML needs.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package, folder),
        autoescape=escapes,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["theme"] = charts.read_theme()
    return environment
