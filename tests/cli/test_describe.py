"""What is said of plugins: their fields, and a warning where a file lets a failing one be passed."""

from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from outrider import Plugin, Reply, Request, Response
from outrider.config import build
from outrider.config.document import parse
from outrider_cli import describe


class Inner(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    depth: int
    """How deep."""
    again: "list[Inner]" = []
    """More of them."""


class Base(Plugin, abstract=True):
    inherited: str | None = Field(default=None, description="From above.")


class Sample(Base):
    """Shows its fields."""

    inners: list[Inner] = []
    """Some,
    over two lines."""
    named: Annotated[dict[str, Inner], Field(description="By name.")] = {}
    word: str = "null"
    """A word that YAML would take for nothing."""

    def on_request(self, request: Request) -> None: ...


def test_fields_are_told_as_the_file_has_them_those_of_its_own_first_and_nested_ones_below() -> None:
    lines = describe.plugin("sample", Sample).splitlines()
    assert lines[:3] == ["sample: Shows its fields.", "priority 100; phases on_request", ""]
    assert lines[3:-2] == [
        "  inners (default []): Some, over two lines.",
        "    depth (required): How deep.",
        "    again (default []): More of them.",
        "  named (default {}): By name.",
        "    depth (required): How deep.",
        "    again (default []): More of them.",
        "  word (default 'null'): A word that YAML would take for nothing.",
        "  inherited (default null): From above.",
    ]
    assert [line.split()[0] for line in lines[-2:]] == ["on_error", "timeout"]


class Silent(Plugin):
    def on_request(self, request: Request) -> None: ...


class Waiting(Plugin):
    async def on_request(self, request: Request) -> None: ...


class Afterwards(Plugin):
    def on_response(self, request: Request, response: Response) -> Reply: ...


class Refusing(Plugin):
    def on_request(self, request: Request) -> Reply | Awaitable[Reply]: ...


class Reading(Plugin):
    def on_request(self, request: Request) -> None: ...

    def on_request_body(self, request: Request, body: bytes) -> Reply: ...


class Unsaid(Plugin):
    def on_request(self, request):  # type: ignore[no-untyped-def] # noqa: ANN001
        ...


@pytest.mark.parametrize(
    ("cls", "warned"),
    [(Silent, False), (Waiting, False), (Afterwards, False), (Refusing, True), (Reading, True), (Unsaid, True)],
)
def test_continue_is_worth_a_warning_where_the_plugin_may_refuse(cls: type[Plugin], *, warned: bool) -> None:
    text = '_format_version: "3.0"\nplugins: [{name: it, config: {on_error: continue}}]'
    warnings = list(describe.warnings(build(parse(text, "file.yaml", Path()), {"it": cls})))
    assert bool(warnings) == warned
    assert all(warning.startswith("file.yaml:2: plugin it: warning: ") for warning in warnings)
