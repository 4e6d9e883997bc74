"""Hooks of the site: pages made from the program, links into the repository.

What can be read from the program is written when the site is built and never
by hand, so that it cannot say anything else.
"""

import commands
import config_fields
import public_names
import repository
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# Page -> what writes its Markdown.
WRITTEN = {
    "reference/commands.md": commands.write_page,
    "reference/config.md": config_fields.write_page,
    "reference/python.md": public_names.write_page,
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the written pages, and files of the repository that are pages."""
    for place, write in WRITTEN.items():
        files.append(File.generated(config, place, content=write()))
    for source, place in repository.PAGES.items():
        path = str(repository.ROOT / source)
        files.append(File.generated(config, place, abs_src_path=path))
    for source in repository.find_linked():
        path = str(repository.ROOT / source)
        place = repository.place_of(source)
        files.append(File.generated(config, place, abs_src_path=path))
    return files


def on_page_markdown(
    markdown: str, *, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Turns links between files of the repository into links of the site."""
    return repository.rewrite_links(markdown, page.file.src_uri)
