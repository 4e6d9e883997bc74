"""Where files of the repository lie in the site.

Documents link to each other as files, so that they can be read without the
site. Those outside `docs/` become pages by a row of `PAGES`; any other file
that is linked is published as it is.
"""

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = "docs/"
# File of the repository -> its page.
PAGES = {
    "export/README.md": "deployment.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "README.md": "index.md",
}
PUBLISHED = "files/"
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)")
FENCE = re.compile(r"(^ *```.*?^ *```$)", re.MULTILINE | re.DOTALL)


def place_of(source: str) -> str:
    """Returns where a file of the repository lies in the site.

    Args:
        source: Relative to the repository's root.
    """
    if source in PAGES:
        return PAGES[source]
    if source.startswith(DOCS):
        return source.removeprefix(DOCS)
    return PUBLISHED + source


def source_of(place: str) -> str:
    """Returns which file of the repository a page is."""
    sources = {page: source for source, page in PAGES.items()}
    return sources.get(place, DOCS + place)


def replace_links(text: str, replace: Callable[[str], str]) -> str:
    """Returns Markdown with its relative links, outside code, replaced."""
    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(lambda m: replace(m[1]), p) for p in parts[::2]]
    return "".join(parts)


def rewrite_links(text: str, place: str) -> str:
    """Returns the Markdown of a page with links to where files lie here.

    A link to what does not exist stays, and the build fails on it.

    Args:
        text: With links relative to the file in the repository.
        place: Of the page in the site.
    """
    folder = posixpath.dirname(source_of(place))
    here = posixpath.dirname(place) or "."

    def rewrite(link: str) -> str:
        source = posixpath.normpath(posixpath.join(folder, link))
        if not (ROOT / source).is_file():
            return link
        return posixpath.relpath(place_of(source), here)

    return replace_links(text, rewrite)


def find_linked() -> list[str]:
    """Returns the files, outside `docs/` and no pages, to which pages link."""
    found: set[str] = set()
    documents = [*(ROOT / DOCS).rglob("*.md"), *(ROOT / p for p in PAGES)]
    for path in documents:
        folder = path.parent.relative_to(ROOT).as_posix()

        def note(link: str, folder: str = folder) -> str:
            found.add(posixpath.normpath(posixpath.join(folder, link)))
            return link

        replace_links(path.read_text("utf-8"), note)
    return sorted(
        source
        for source in found
        if (ROOT / source).is_file()
        and source not in PAGES
        and not source.startswith(DOCS)
    )
