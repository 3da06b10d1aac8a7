"""Whatever stands in a file: it is loaded, or every mistake in it has a line, a place and a remedy on one line."""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outrider import Plugin
from outrider.config import ConfigError, Mistake, build
from outrider.config.document import parse

WHOLE: dict[str, Any] = {
    "_format_version": "3.0",
    "gateway": {"listen": "127.0.0.1:8080", "workers": 1, "trusted_ips": ["10.0.0.0/8"], "log": {"level": "info"}},
    "services": [
        {
            "name": "orders",
            "url": "http://127.0.0.1:9001/v1",
            "routes": [{"name": "list", "paths": ["/orders"], "hosts": ["a.example"], "methods": ["GET"]}],
            "plugins": [{"name": "greet", "config": {"windows": [{"limit": 1}], "by": ["a"], "phrase": "x"}}],
        }
    ],
    "routes": [{"hosts": ["b.example"], "service": {"name": "orders"}}],
    "consumers": [
        {
            "username": "alice",
            "groups": [{"name": "gold"}],
            "keyauth_credentials": [{"key": "alice-key"}],
            "jwt_secrets": [{"key": "a", "secret": "b"}],
            "basicauth_credentials": [{"username": "a", "password": "b"}],
            "acls": [{"group": "staff"}],
        }
    ],
    "consumer_groups": [{"name": "gold"}],
    "plugins": [{"name": "gate", "config": {"anonymous": "alice"}}, {"name": "need", "config": {"size": 1}}],
}

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
ANYTHING = st.recursive(
    SCALARS | st.sampled_from(["{vault://env/A}", "{vault://", "/a/../b", "http://[", "~/a", "\u2028"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    steps: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        steps = cast("dict[str, Any]", value).items()
    elif isinstance(value, list):
        steps = enumerate(cast("Sequence[Any]", value))
    for step, inner in steps:
        yield from places(inner, (*place, step))


def changed(place: tuple[Any, ...], value: Any) -> Any:
    whole: Any = {"whole": copy.deepcopy(WHOLE)}
    holder, last = whole, "whole"
    for step in place:
        holder, last = holder[last], step
    holder[last] = value
    return whole["whole"]


def mistakes_in(text: str, plugins: Mapping[str, type[Plugin]]) -> tuple[Mistake, ...]:
    try:
        build(parse(text, "f.json", Path()), plugins, environ={})
    except ConfigError as error:
        return error.mistakes
    return ()


@given(place=st.sampled_from(list(places(WHOLE))), value=ANYTHING)
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_loaded_or_its_mistakes_are_told(
    plugins: Mapping[str, type[Plugin]], place: tuple[Any, ...], value: Any
) -> None:
    for mistake in mistakes_in(json.dumps(changed(place, value)), plugins):
        assert len(str(mistake).splitlines()) == 1
        assert all((mistake.where, mistake.what, mistake.remedy))
        assert mistake.line == 1


def test_the_whole_is_right_as_it_stands(plugins: Mapping[str, type[Plugin]]) -> None:
    assert len(build(parse(json.dumps(WHOLE), "f.json", Path()), plugins).plugins) == 3
