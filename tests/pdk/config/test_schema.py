"""The JSON Schema of the file."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from outrider import Plugin
from outrider.config import schema


@pytest.fixture
def whole(plugins: Mapping[str, type[Plugin]]) -> dict[str, Any]:
    return schema(plugins)


def references(value: Any) -> set[str]:
    return set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(value)))


def test_it_is_json_and_every_reference_in_it_leads_somewhere(whole: dict[str, Any]) -> None:
    json.dumps(whole)
    assert {f"#/$defs/{name}" for name in whole["$defs"]} >= references(whole)


def test_a_plugins_config_has_that_plugins_fields(whole: dict[str, Any]) -> None:
    entry = whole["$defs"]["PluginEntry"]
    assert {"gate", "greet", "need", "rate-limiting"} <= set(entry["properties"]["name"]["enum"])
    assert "times" in whole["$defs"]["greet"]["properties"]
    assert whole["$defs"]["greet"]["additionalProperties"] is False
    assert "greet.Window" in whole["$defs"]


def test_a_plugins_fields_stand_in_the_order_of_its_class(whole: dict[str, Any]) -> None:
    fields = list(whole["$defs"]["greet"]["properties"])
    assert fields.index("forms") < fields.index("windows") < fields.index("folder")


def test_every_field_of_the_file_is_described(whole: dict[str, Any], plugins: Mapping[str, Any]) -> None:
    models = {name: part for name, part in whole["$defs"].items() if name.partition(".")[0] not in plugins}
    missing = [
        f"{name}.{field}"
        for name, model in {"File": whole, **models}.items()
        for field, part in model.get("properties", {}).items()
        if "description" not in part and "$ref" not in part  # a model that stands there describes itself
    ]
    assert missing == []


def test_the_same_plugins_give_the_same_schema(plugins: Mapping[str, type[Plugin]]) -> None:
    assert json.dumps(schema(plugins)) == json.dumps(schema(plugins))
