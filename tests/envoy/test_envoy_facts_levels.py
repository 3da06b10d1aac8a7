"""What holds where several levels of a route table speak to one filter, and where none of its names is meant."""

import pytest

from harness.bootstrap import FILTERS, Config, ext_proc, mode, route, typed
from harness.gateway import Start
from harness.http1 import request
from harness.scripted import Processor
from harness.upstream import Upstream

HEADERS = mode(request_header_mode="SEND")
NAME = "envoy.filters.http.ext_proc"
SWITCH = "type.googleapis.com/envoy.config.route.v3.FilterConfig"
PER_ROUTE = f"{FILTERS}.ext_proc.v3.ExtProcPerRoute"


def asked(start: Start, processor: Processor, *levels: Config | None, **fields: object) -> bool:
    """Whether the server is asked, where a virtual host and its route say that to the filter."""
    host, own = ({"typed_per_filter_config": {NAME: level}} if level else {} for level in levels)
    port = start(ext_proc(processing_mode=HEADERS) | fields, routes=[route() | own], host=host)
    request(port, "/")
    return bool(processor.streams)


OFF = typed(PER_ROUTE, disabled=True)
ON = typed(PER_ROUTE, overrides={"processing_mode": HEADERS})
SWITCHED_OFF = typed(SWITCH, disabled=True)
SWITCHED_ON = typed(SWITCH, config={})


@pytest.mark.parametrize(
    ("host", "own", "expected"),
    [
        (OFF, None, False),
        (OFF, ON, True),
        (ON, OFF, False),
        (SWITCHED_OFF, None, False),
        (SWITCHED_OFF, ON, True),
        (ON, SWITCHED_OFF, False),
    ],
)
def test_the_most_specific_level_says_whether_a_filter_runs(
    start: Start, processor: Processor, host: Config, own: Config | None, *, expected: bool
) -> None:
    assert asked(start, processor, host, own) is expected


@pytest.mark.parametrize(("own", "expected"), [(None, False), (ON, True), (SWITCHED_OFF, False)])
def test_a_filter_that_is_off_runs_where_a_route_has_something_for_it(
    start: Start, processor: Processor, own: Config | None, *, expected: bool
) -> None:
    assert asked(start, processor, None, own, disabled=True) is expected


def test_what_a_route_says_under_a_name_that_no_filter_has_is_ignored(start: Start, processor: Processor) -> None:
    assert asked(start, processor, None, OFF, name="outrider")


def test_an_upgrade_with_filters_of_its_own_passes_the_others_by(
    start: Start, processor: Processor, upstream: Upstream
) -> None:
    router = {"name": "envoy.filters.http.router", "typed_config": typed(f"{FILTERS}.router.v3.Router")}
    manager: Config = {"upgrade_configs": [{"upgrade_type": "websocket", "filters": [router]}]}
    port = start(ext_proc(processing_mode=HEADERS), manager=manager)
    request(port, "/", ("connection", "upgrade"), ("upgrade", "websocket"))
    assert (len(processor.streams), len(upstream.requests)) == (0, 1)


@pytest.mark.parametrize("action", ["UNESCAPE_AND_FORWARD", "UNESCAPE_AND_REDIRECT"])
def test_unescaped_slashes_are_no_way_around_a_route(start: Start, upstream: Upstream, action: str) -> None:
    admin: Config = {"match": {"prefix": "/admin"}, "direct_response": {"status": 401}}
    manager = {"normalize_path": True, "merge_slashes": True, "path_with_escaped_slashes_action": action}
    port = start(routes=[admin, route("/")], manager=manager)
    for path in ("/open/..%2fadmin", "/open%2f..%2fadmin", "/%2fadmin", "/open/..%5cadmin"):
        assert request(port, path).status in (401, 307)
    assert upstream.requests == []
