"""What the pages say is so: their code is that of the examples, their links lead somewhere, their names exist."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import TypeAdapter

from outrider import discovery
from outrider.config.field_types import Address
from outrider.config.gateway import Gateway
from outrider_cli.main import main
from outrider_envoy.engine.limits import Limits

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GUIDES = [page for page in PAGES if page.parent.name != "plugins"]
PLANNED = [
    *("basic-auth", "concurrency-limit", "introspection-auth", "ip-restriction", "mtls-auth", "openapi-validation"),
    *("request-size-limit", "request-termination", "signature-auth"),
]
BLOCK = re.compile(r"(?:<!-- file: (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<code>.*?)```\n", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"outrider ((?:run|serve|render|check|plugins|schema|new|reload|dev)(?: (?:envoy|kong))?)\b")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_on_a_page_is_that_of_an_example_file(page: Path) -> None:
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["kind"] in ("python", "yaml"):
            assert block["file"], f"name the file above: {block['code'][:80]}"
            assert block["code"] == (ROOT / block["file"]).read_text(encoding="utf-8"), block["file"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_only_plugins_that_exist_are_named(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = set(PLANNED) - discovery.installed().keys()
    assert [name for name in missing if re.search(rf"(?<![\w-]){name}(?![\w-])", text)] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "plugins"], ids=name)
def test_a_plugin_page_has_no_field_that_the_plugin_has_not(page: Path) -> None:
    # Tables of fields have four columns, and their first cell is a name.
    rows = re.findall(r"^\| `(\w+)` \|(?:[^|]*\|){3}$", page.read_text(encoding="utf-8"), re.MULTILINE)
    schema = str(_schema(page.stem))
    assert rows
    assert [field for field in rows if f"'{field}'" not in schema] == []


def _schema(name: str) -> object:
    return TypeAdapter(discovery.installed()[name]).json_schema()


def test_every_plugin_has_a_row_on_the_front_page_and_in_the_index_in_the_order_in_which_they_run() -> None:
    order = sorted(discovery.installed().items(), key=lambda plugin: -plugin[1].priority)
    for page, prefix in ((ROOT / "README.md", "docs/"), (ROOT / "docs" / "index.md", "")):
        listed = re.findall(
            rf"^\| \[([\w-]+)\]\({prefix}plugins/\1\.md\) \| \S.* \|$", page.read_text(), re.MULTILINE
        )
        assert listed == [name for name, _ in order]


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(index.read_text())}
    assert [page.name for page in PAGES[1:] if page != index and page not in linked] == []


def _commands(group: click.Group, prefix: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        yield f"{prefix}{name}"
        if isinstance(command, click.Group):
            yield from _commands(command, f"{name} ")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_on_a_page_exists(page: Path) -> None:
    known = set(_commands(main))
    assert set(COMMAND.findall(page.read_text(encoding="utf-8"))) <= known


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_every_metric_on_a_page_exists(page: Path) -> None:
    named = set(re.findall(r"`(outrider_\w+)(?:`|\{)", page.read_text(encoding="utf-8")))
    packages = {"outrider_plugins", "outrider_envoy", "outrider_kong", "outrider_cli", "outrider_workers"}
    files = [file for folder in ("pdk", "plugins", "envoy", "cli") for file in (ROOT / folder).rglob("*.py")]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    assert [name for name in named - packages if f'"{name}"' not in source] == []


def test_the_operators_page_has_every_key_of_the_gateway_with_its_default() -> None:
    text = (ROOT / "docs" / "guide-operators.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for name, field in Gateway.model_fields.items():
        assert name in rows
        default: object = field.get_default()
        if isinstance(default, str | Address):
            assert f"`{default}`" in rows[name]


def test_the_operators_page_has_the_limits_of_a_worker() -> None:
    text = (ROOT / "docs" / "guide-operators.md").read_text(encoding="utf-8")
    table = text.partition("| limit of a worker")[2].partition("\n\n")[0]
    limits = Limits()
    for number in (limits.streams, limits.connections, limits.credit, limits.credit_a_second):
        assert f"{number:,}" in table
    for size in (limits.message, limits.held, limits.connection_window):
        assert f"{size // 2**20} MiB" in table
    for size in (limits.stream_window, limits.header_list, limits.header_block):
        assert f"{size // 2**10} KiB" in table
