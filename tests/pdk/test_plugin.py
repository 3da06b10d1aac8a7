from typing import ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from outrider import LogRecord, Needs, Plugin, Request, Response
from outrider.errors import PluginError
from outrider.plugin import plugin_name


class AddHeader(Plugin):
    """Adds one header to the request that goes upstream."""

    name: str
    """The header."""
    values: list[str] = ["x"]
    priority: ClassVar[int] = 800

    def on_request(self, request: Request) -> None:
        request.headers[self.name] = self.values[0]


class Both(AddHeader):
    """Adds, and looks at the response."""

    def on_response(self, request: Request, response: Response) -> None: ...


def test_fields_are_the_configuration() -> None:
    plugin = AddHeader(name="a")
    assert (plugin.name, plugin.on_error, plugin.timeout) == ("a", "deny", 1000)
    assert plugin.priority == 800


def test_a_mutable_default_is_not_shared() -> None:
    AddHeader(name="a").values.append("y")
    assert AddHeader(name="a").values == ["x"]


@pytest.mark.parametrize("config", [{}, {"name": 1}, {"name": "a", "nmae": "b"}, {"name": "a", "timeout": 0}])
def test_a_wrong_configuration_is_refused_when_it_is_built(config: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(AddHeader).validate_python(config)


def test_what_is_said_of_a_wrong_configuration_does_not_show_it() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(AddHeader).validate_python({"name": ["hunter2"]})
    assert "hunter2" not in str(caught.value)


def test_descriptions_come_from_the_docstrings_of_the_fields() -> None:
    properties = TypeAdapter(AddHeader).json_schema()["properties"]
    assert properties["name"]["description"] == "The header."
    assert properties["timeout"]["description"].startswith("How long")


def test_overridden_hooks_are_the_phases_also_inherited_ones() -> None:
    assert AddHeader.overridden() == {"on_request"}
    assert Both.overridden() == {"on_request", "on_response"}


def test_an_instance_can_narrow_its_hooks() -> None:
    class Quiet(Both):
        """Looks at responses only where it is told to."""

        def needs(self) -> Needs:
            return Needs(hooks=frozenset({"on_request"}))

    assert Quiet(name="a").hooks() == {"on_request"}


def test_a_misspelt_hook_is_an_error_when_the_class_is_made() -> None:
    with pytest.raises(PluginError, match=r"on_reqest is no hook: did you mean on_request\?"):

        class Bad(Plugin):  # pyright: ignore[reportUnusedClass]
            def on_reqest(self, request: Request) -> None: ...


def test_a_field_with_a_hooks_name_is_an_error_when_the_class_is_made() -> None:
    with pytest.raises(PluginError, match="on_response is a field with a hook's or method's name"):

        class Bad(Plugin):  # pyright: ignore[reportUnusedClass]
            on_response: int = 1  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

            def on_request(self, request: Request) -> None: ...


def test_a_plugin_without_a_hook_is_an_error_unless_it_is_abstract() -> None:
    class Shared(Plugin, abstract=True):
        """Only shares code."""

        field: int = 1

    assert not Shared.overridden()
    with pytest.raises(PluginError, match="Bad has no hook"):

        class Bad(Shared):  # pyright: ignore[reportUnusedClass]
            other: int = 2


def test_on_log_must_be_a_plain_def() -> None:
    with pytest.raises(PluginError, match="on_log must be a plain def"):

        class Bad(Plugin):  # pyright: ignore[reportUnusedClass]
            async def on_log(self, request: Request, log: LogRecord) -> None: ...  # type: ignore[override]


@pytest.mark.parametrize(
    ("name", "expected"), [("AddHeader", "add-header"), ("HTTPSOnly", "https-only"), ("A1b", "a1b")]
)
def test_a_plain_files_plugin_is_named_after_its_class(name: str, expected: str) -> None:
    cls = type(name, (AddHeader,), {"__module__": __name__, "__annotations__": {}})
    assert plugin_name(cls) == expected
