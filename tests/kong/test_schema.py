"""Kong's schema of a plugin: what its fields become in Kong's language."""

import itertools
from collections.abc import Mapping, Sequence
from types import new_class
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, SecretStr, TypeAdapter

from outrider import Auth, HeaderName, Identity, Plugin, Request, discovery
from outrider.errors import PluginError
from outrider_kong.schema import chain_schema, config_record, plugin_schema

REQUIRED: Any = object()
Kind = dict[str, Any]
INSTALLED = discovery.installed()
Symmetric = Literal["a"]
Asymmetric = Literal["b"]


class Pair(BaseModel):
    model_config = ConfigDict(extra="forbid")

    left: int
    right: str = "r"


class Endless(BaseModel):
    again: "list[Endless]" = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    left: int = 1


PAIR: list[dict[str, Kind]] = [
    {"left": {"type": "integer", "required": True}},
    {"right": {"type": "string", "len_min": 0, "required": True, "default": "r"}},
]


class Coordinates:
    """A type of an author's own, which has no JSON Schema."""


def made(annotation: Any, default: Any = REQUIRED, name: str = "field") -> type[Plugin]:
    """A plugin with one field."""

    def on_request(self: Plugin, request: Request) -> None: ...

    def body(namespace: dict[str, Any]) -> None:
        namespace["__annotations__"] = {name: annotation}
        namespace["on_request"] = on_request
        if default is not REQUIRED:
            namespace[name] = default

    return new_class("Sample", (Plugin,), exec_body=body)


def kinds(record: Kind) -> dict[str, Kind]:
    return {name: kind for field in record["fields"] for name, kind in field.items()}


def told(annotation: Any, default: Any = REQUIRED) -> Kind:
    """What Kong is told of a field of that type."""
    return kinds(config_record("sample", made(annotation, default)))["field"]


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        (str, {"type": "string", "len_min": 0}),
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (HeaderName, {"type": "string", "len_min": 0}),
        (Literal["a", "b"], {"type": "string", "one_of": ["a", "b"]}),
        (Literal["a"], {"type": "string", "one_of": ["a"]}),
        (Literal[1, 2], {"type": "integer", "one_of": [1, 2]}),
        (Literal[True], {"type": "boolean", "eq": True}),
        (Annotated[str, Field(min_length=2)], {"type": "string", "len_min": 2}),
        (list[int], {"type": "array", "elements": {"type": "integer"}}),
        (Annotated[list[int], Field(min_length=1, max_length=3)], {
            "type": "array", "elements": {"type": "integer"}, "len_min": 1, "len_max": 3,
        }),
        (set[int], {"type": "set", "elements": {"type": "integer"}}),
        (dict[str, int], {"type": "map", "keys": {"type": "string", "len_min": 0}, "values": {"type": "integer"}}),
        (Pair, {"type": "record", "fields": PAIR}),
        (list[Pair], {"type": "array", "elements": {"type": "record", "fields": PAIR}}),
    ],
)  # fmt: skip
def test_a_type_has_its_word(annotation: Any, kind: Kind) -> None:
    assert told(annotation) == kind | {"required": True}


@pytest.mark.parametrize(
    ("bounds", "attributes"),
    [
        ({"ge": 1, "le": 5}, {"between": [1, 5]}),
        ({"ge": 1, "lt": 5}, {"between": [1, 4]}),
        ({"gt": 1}, {"gt": 1}),
        ({"gt": 1, "le": 5}, {"gt": 1, "between": [1, 5]}),
    ],
)
def test_the_bounds_of_whole_numbers_are_exact(bounds: Any, attributes: Kind) -> None:
    assert told(Annotated[int, Field(**bounds)]) == {"type": "integer", "required": True, **attributes}


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [({"ge": 0.5}, [0.5, 1e300], [0.4, -1e300]), ({"le": 2}, [2, -1e300], [2.1, 1e300])],
)
def test_a_bound_on_one_side_leaves_the_other_open(bounds: Any, inside: list[float], outside: list[float]) -> None:
    low, high = told(Annotated[float, Field(**bounds)])["between"]
    assert all(low <= value <= high for value in inside)
    assert not any(low <= value <= high for value in outside)


def test_kong_counts_bytes_where_we_count_characters() -> None:
    # "ééé" is taken by us, and has 6 bytes.
    assert told(Annotated[str, Field(max_length=3)])["len_max"] == 12


@pytest.mark.parametrize(
    ("annotation", "default", "presence"),
    [
        (str, REQUIRED, {"required": True}),
        (str | None, REQUIRED, {"required": False}),  # null is an answer, and Kong knows none that must be given
        (str | None, None, {"required": False}),
        (str, "a", {"required": True, "default": "a"}),
        (str | None, "a", {"required": False, "default": "a"}),
        (bool, False, {"required": True, "default": False}),
    ],
)
def test_whether_a_field_may_be_absent_or_null(annotation: Any, default: Any, presence: Kind) -> None:
    kind = told(annotation, default)
    assert {name: kind[name] for name in ("required", "default") if name in kind} == presence


def test_defaults_that_are_made_anew_are_told_if_they_are_always_the_same() -> None:
    assert told(list[str], ["a"])["default"] == ["a"]
    assert told(dict[str, int], {})["default"] == {}
    count = itertools.count()
    assert "default" not in told(int, Field(default_factory=lambda: next(count)))


def test_a_record_that_is_absent_has_the_defaults_of_its_fields() -> None:
    class Both(BaseModel):
        model_config = ConfigDict(frozen=True)

        one: int = 1
        two: int | None = None

    absent = told(Both, Both())
    assert absent["required"] is True
    assert "default" not in absent
    assert told(Both, Both(two=3))["default"] == {"one": 1, "two": 3}
    assert told(Both | None, None)["required"] is False


@pytest.mark.parametrize(
    ("annotation", "default", "kind"),
    [
        (str | Sequence[str], "a", {"type": "array", "elements": {"type": "string", "len_min": 0}, "default": ["a"]}),
        (list[int] | int, [1], {"type": "array", "elements": {"type": "integer"}, "default": [1]}),
        (int | float, 1, {"type": "number", "default": 1}),
        (Symmetric | Asymmetric, "b", {"type": "string", "one_of": ["a", "b"], "default": "b"}),
    ],
)
def test_of_a_union_kong_takes_the_widest(annotation: Any, default: Any, kind: Kind) -> None:
    assert told(annotation, default) == kind | {"required": True}


UNSAYABLE = [
    int | str,
    dict[str, Any],
    Endless,
    Open,
    None,
    tuple[int, str],
    Annotated[Coordinates, PlainValidator(lambda _: Coordinates())],
]


@pytest.mark.parametrize("annotation", UNSAYABLE)
def test_what_kong_has_no_word_for_is_left_out(annotation: Any) -> None:
    assert kinds(config_record("sample", made(annotation, Field(default=None)))).keys() == {"on_error", "timeout"}


@pytest.mark.parametrize("annotation", UNSAYABLE)
def test_a_required_field_that_can_not_be_said_is_told_to_the_author(annotation: Any) -> None:
    cls = made(annotation)
    with pytest.raises(PluginError, match="sample has a required field whose type Kong has no word for"):
        config_record("sample", cls)
    chain = chain_schema({"sample": cls, "good": made(int)}, "outrider-chain")
    assert [*kinds(_config(chain))["plugins"]["elements"]["fields"][0]] == ["good"]


def test_a_plugin_whose_annotation_means_nothing_stops_no_other() -> None:
    cls = made("Nowhere")
    with pytest.raises(PluginError, match="sample has a field whose type can't be told"):
        config_record("sample", cls)
    assert chain_schema({"sample": cls, "good": made(int)}, "outrider-chain")


def test_secrets_may_be_references_and_are_encrypted_at_rest() -> None:
    secret = {"encrypted": True, "referenceable": True}
    assert secret.items() <= told(SecretStr).items()
    assert secret.items() <= told(SecretStr | None, None).items()
    assert secret.items() <= told(list[SecretStr])["elements"].items()
    assert secret.items() <= told(Mapping[str, SecretStr])["values"].items()
    assert secret.items().isdisjoint(told(str).items())


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Short.", None), ("Over\n  two lines.", "Over two lines."), ("x" * 501, "x" * 500), ("é" * 300, "é" * 250)],
)
def test_descriptions_have_the_length_that_kong_takes(text: str, shown: str | None) -> None:
    assert told(Annotated[int, Field(description=text)]).get("description") == shown


def test_a_plugins_own_fields_stand_before_those_that_all_have() -> None:
    assert [*kinds(config_record("key-auth", INSTALLED["key-auth"]))][-2:] == ["on_error", "timeout"]


class Door(Auth):
    def authenticate(self, request: Request, /) -> Identity | None:
        return None

    def challenge(self) -> str:
        return "Door"

    def hide_credential(self, request: Request, /) -> None: ...


def _config(schema: Kind) -> Kind:
    return kinds(schema)["config"]


def test_a_plugin_by_itself_is_for_http_and_an_auth_plugin_for_everybody() -> None:
    schema = plugin_schema("sample", made(int), "outrider-sample")
    assert schema["name"] == "outrider-sample"
    assert kinds(schema)["protocols"]["elements"]["one_of"] == ["grpc", "grpcs", "http", "https"]
    assert "consumer" not in kinds(schema)
    assert kinds(plugin_schema("door", Door, "outrider-door"))["consumer"]["eq"] is None


def test_a_chain_is_one_route_of_the_file_or_a_list_of_plugins() -> None:
    schema = chain_schema({"sample": made(int), "door": Door}, "outrider-chain")
    assert "consumer" in kinds(schema)
    config = _config(schema)
    assert config["entity_checks"] == [{"only_one_of": ["route", "plugins"]}]
    listed = kinds(config)["plugins"]
    assert (listed["type"], listed["len_min"]) == ("array", 1)
    assert listed["elements"]["entity_checks"] == [{"only_one_of": ["sample", "door"]}]
    assert {name: kind["required"] for name, kind in kinds(listed["elements"]).items()} == {
        "sample": False,
        "door": False,
    }
    assert kinds(kinds(listed["elements"])["sample"])["field"] == {"type": "integer", "required": True}


def test_every_field_of_every_bundled_plugin_can_be_said() -> None:
    # Kong's language has no value of any type, and none of two types.
    missing = {
        "request-transform": {"body", "path", "match", "to"},
        "response-transform": {"body", "if_status"},
    }
    for name, cls in INSTALLED.items():
        said = set(_names(config_record(name, cls)))
        assert _all_names(cls) - said == missing.get(name, set()), name


def _names(kind: Kind) -> list[str]:
    inner = [kind[part] for part in ("elements", "values") if part in kind]
    fields = kinds(kind) if "fields" in kind else {}
    return [*fields, *(name for one in (*inner, *fields.values()) for name in _names(one))]


def _all_names(cls: type[Plugin]) -> set[str]:
    schema = TypeAdapter(cls).json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {name for part in parts for name in part.get("properties", ())}
