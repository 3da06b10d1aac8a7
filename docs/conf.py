"""The manual as a site: `make docs`."""

from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

project = "Outrider"
author = "The Outrider authors"
copyright = f"{author}, Apache-2.0"  # noqa: A001 - Sphinx's name for it
version = release = version_of("outrider")

extensions = ["myst_parser"]
root_doc = "index"
nitpicky = True
myst_heading_anchors = 3

html_theme = "furo"
html_title = "Outrider"
html_copy_source = False
html_show_sphinx = False

HERE = Path(__file__).parent
GUIDES = [
    *("guide-operators", "combining", "token-attacks", "guide-authors", "guide-envoy", "guide-kong", "kong-pdk"),
    *("guide-moving", "format", "upstreams", "rate-limits", "rate-limit-service", "storage", "performance"),
    *("sameness", "architecture"),
]


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_contents)


def add_contents(_: Sphinx, page: str, source: list[str]) -> None:
    """Sphinx wants to know the order of all pages; whoever reads the index as a file has its tables."""
    if page == root_doc:
        plugins = sorted(f"plugins/{file.stem}" for file in (HERE / "plugins").glob("*.md"))
        source[0] += contents("Guides", GUIDES) + contents("Plugins", plugins)


def contents(caption: str, pages: list[str]) -> str:
    return "\n".join(["\n```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```\n"])
