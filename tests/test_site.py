"""The manual as a site, as `make docs` builds it."""

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [page.relative_to(ROOT / "docs") for page in sorted((ROOT / "docs").rglob("*.md"))]


def built(docs: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    options = ["--quiet", "--fail-on-warning", "--keep-going", "--builder", "html"]
    command = [sys.executable, "-m", "sphinx", *options, str(docs), str(site)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    result = built(ROOT / "docs", folder)
    assert (result.returncode, result.stderr) == (0, "")
    return folder


class Links(HTMLParser):
    """The addresses that a page leads to, and the anchors that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is not None and tag == "a" and name == "href":
                self.links.append(value)
            if value is not None and name == "id":
                self.anchors.add(value)

    @classmethod
    def of(cls, page: Path) -> "Links":
        links = cls()
        links.feed(page.read_text(encoding="utf-8"))
        return links


def test_every_page_of_the_manual_is_a_page_of_the_site(site: Path) -> None:
    assert [page for page in PAGES if not (site / page.with_suffix(".html")).is_file()] == []


def test_no_link_of_the_site_is_dead(site: Path) -> None:
    pages = {page.resolve(): Links.of(page) for page in site.rglob("*.html")}
    for page, found in pages.items():
        for link in found.links:
            path, _, anchor = link.partition("#")
            if "://" in path:
                continue
            target = (page.parent / path).resolve() if path else page
            assert target.is_file(), f"{page.name} leads to {link}"
            known = pages[target].anchors if anchor and target in pages else {anchor}
            assert anchor in known, f"{page.name} leads to {link}"


def test_each_dead_link_fails_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", docs)
    for folder in ("examples", "plugins"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    dead = ["nowhere.md", "#nothing", "plugins/cors.md#nothing", "../examples/nothing.yaml"]
    with (docs / "index.md").open("a") as index:
        index.writelines(f"\n[dead]({link})\n" for link in dead)
    result = built(docs, tmp_path / "site")
    assert result.returncode != 0
    told = [line for line in result.stderr.splitlines() if "index.md" in line and "not found" in line]
    assert len(told) == len(dead)
