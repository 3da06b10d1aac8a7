"""What is said of plugins: their fields."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from outrider import Plugin, Request
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
    first: int = Field(default=1, description="Is not the first.")
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
        "  first (default 1): Is not the first.",
        "  word (default 'null'): A word that YAML would take for nothing.",
        "  inherited (default null): From above.",
    ]
    assert [line.split()[0] for line in lines[-2:]] == ["on_error", "timeout"]
