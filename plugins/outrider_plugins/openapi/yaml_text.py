"""YAML as OpenAPI wants it: the JSON schema of YAML 1.2, with keys that are text (OpenAPI 3.1.1, section 4.2)."""

import math
import re
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import yaml
from yaml.constructor import ConstructorError

_TAG = "tag:yaml.org,2002:"


if TYPE_CHECKING:
    _Base = yaml.SafeLoader
else:
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """Reads `on` and dates as text, `200` as a key as text, and a key that stands twice not at all."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT002
        found: dict[Hashable, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_TAG}merge":
                raise ConstructorError(None, None, "no plain key", key.start_mark)
            if key.value in found:
                raise ConstructorError(None, None, "a key that stands twice", key.start_mark)
            found[key.value] = _construct(self, value, deep=deep)
        return found


def _construct(loader: Any, node: yaml.Node, *, deep: bool) -> Any:
    return loader.construct_object(node, deep=deep)


def _number(loader: Any, node: yaml.ScalarNode) -> float:
    value = float(loader.construct_scalar(node))
    if not math.isfinite(value):
        raise ConstructorError(None, None, "a number that JSON does not have", node.start_mark)
    return value


def _integer(loader: Any, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


_SCALARS = {
    "null": ("~nN", r"~|null|Null|NULL|"),
    "bool": ("tTfF", r"true|True|TRUE|false|False|FALSE"),
    "int": ("-+0123456789", r"[-+]?[0-9]{1,4000}"),
    "float": ("-+.0123456789", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
    "merge": ("<", r"<<"),
}
_untyped: Any = _Loader
for _name, (_first, _form) in _SCALARS.items():
    _untyped.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"(?:{_form})$"), list(_first))
_untyped.add_implicit_resolver(f"{_TAG}null", re.compile("$"), [""])
_untyped.add_constructor(f"{_TAG}int", _integer)
_untyped.add_constructor(f"{_TAG}float", _number)


def parse_yaml(text: str) -> object:
    """The one value that the text holds. Raises `yaml.YAMLError`."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
