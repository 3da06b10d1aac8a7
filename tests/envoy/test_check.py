"""One ext_authz check, without a network."""

import asyncio
from collections.abc import Callable, Iterable

import pytest

from harness import ask
from harness.chains import acts, change, passes
from harness.streams import check
from outrider import Plugin, Refusal, Request, Response
from outrider_envoy.proto.core_pb2 import HeaderValueOption
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest, CheckResponse

GRPC = ("content-type", "application/grpc")
OK, DENIED = 0, 7


def options(found: Iterable[HeaderValueOption]) -> list[tuple[str, str, bool | None]]:
    """Key, value and append (None: unset) of each header; ext_authz reads only `value`."""
    found = list(found)
    assert all(not one.header.raw_value for one in found)
    return [(one.header.key, one.header.value, one.append.value if one.HasField("append") else None) for one in found]


def denied(answer: CheckResponse) -> int:
    assert answer.status.code == DENIED
    assert answer.WhichOneof("http_response") == "denied_response"
    return answer.denied_response.status.code


@pytest.mark.parametrize(
    "plugins", [[], [acts(on_request=lambda _: None)], [acts(on_request=lambda _: asyncio.sleep(0))]]
)
def test_a_request_that_nobody_refuses_is_allowed_and_untouched(plugins: list[Plugin]) -> None:
    answer = check(ask.check(), *plugins)
    assert (answer.status.code, answer.WhichOneof("http_response")) == (OK, "ok_response")
    assert answer.HasField("status")
    assert answer.ok_response == type(answer.ok_response)()


@pytest.mark.parametrize(
    ("steps", "added", "removed"),
    [
        (["set x-new 1"], [("x-new", "1", None)], []),
        (["set x-twice 3"], [("x-twice", "3", None)], []),
        # Envoy's append does nothing where the header is absent, so the values are joined here.
        (["append x-twice 3"], [("x-twice", "1, 2, 3", None)], []),
        (["discard x-twice"], [], ["x-twice"]),
        # Envoy removes after it sets: a name is never in both.
        (["discard x-twice", "append x-twice 3"], [("x-twice", "3", None)], []),
        (["append x-new 3", "discard x-new"], [], ["x-new"]),
        (["set x-new café"], [("x-new", "café", None)], []),
        (["set x-new "], [("x-new", "", None)], []),
    ],
)
def test_header_changes_are_written_as_ext_authz_reads_them(
    steps: list[str], added: list[tuple[str, str, bool | None]], removed: list[str]
) -> None:
    plugin = acts(on_request=lambda request: change(request.headers, *steps))
    answer = check(ask.check(("x-twice", "1"), ("x-twice", "2")), plugin)
    assert options(answer.ok_response.headers) == added
    assert list(answer.ok_response.headers_to_remove) == removed


def test_a_new_query_goes_upstream_in_the_path_byte_for_byte() -> None:
    def change(request: Request) -> None:
        request.query = "raw=%zz&&a"

    answer = check(ask.check(path="/a?b=c"), acts(on_request=change))
    assert options(answer.ok_response.headers) == [(":path", "/a?raw=%zz&&a", None)]
    assert not answer.ok_response.query_parameters_to_set
    assert not answer.ok_response.query_parameters_to_remove


def test_reply_headers_replace_those_of_upstream() -> None:
    def tells(request: Request) -> None:
        request.reply_headers["x-id"] = "7"

    answer = check(ask.check(), acts(on_request=tells, replies=("x-id",)))
    assert options(answer.ok_response.response_headers_to_add) == [("x-id", "7", False)]


def test_spoofed_identity_headers_are_removed() -> None:
    answer = check(ask.check(("x-consumer-id", "root"), ("x_consumer_id", "root")), acts(on_request=lambda _: None))
    assert sorted(answer.ok_response.headers_to_remove) == ["x-consumer-id", "x_consumer_id"]


def test_a_reply_is_a_denial_with_all_its_headers_apart() -> None:
    response = Response(418, body="café", headers=[("set-cookie", "a"), ("set-cookie", "b"), ("x-a", "1")])
    answer = check(ask.check(), acts(on_request=lambda _: response))
    assert denied(answer) == 418
    assert answer.denied_response.body == "café"
    # With `append` Envoy would drop the header.
    assert options(answer.denied_response.headers) == [
        ("set-cookie", "a", None),
        ("set-cookie", "b", None),
        ("x-a", "1", None),
    ]


@pytest.mark.parametrize("status", [200, 204, 302, 401, 503, 599])
def test_a_denial_has_both_statuses_always(status: int) -> None:
    assert denied(check(ask.check(), acts(on_request=lambda _: Response(status)))) == status


def test_the_refusal_of_a_grpc_call_has_its_status_in_a_header() -> None:
    answer = check(ask.check(GRPC), acts(on_request=lambda _: Refusal(429, "Too many")))
    assert (denied(answer), answer.denied_response.body) == (429, "Too many")
    assert options(answer.denied_response.headers) == [("grpc-status", "8", None)]


def test_reply_headers_and_response_hooks_reach_a_denial() -> None:
    def tells(request: Request) -> None:
        request.reply_headers["x-id"] = "7"

    def tags(_: Request, response: Response) -> None:
        response.headers["x-tag"] = "1"

    answer = check(
        ask.check(),
        acts(on_request=tells, on_response=tags, replies=("x-id",)),
        acts(on_request=lambda _: Response(403)),
    )
    assert options(answer.denied_response.headers) == [("x-tag", "1", None), ("x-id", "7", None)]


def header(value: str) -> Callable[[Request], None]:
    def hook(request: Request) -> None:
        request.headers["x-a"] = value

    return hook


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (acts(on_request=header("caf\udce9")), "value of x-a is not UTF-8"),
        (acts(on_request=lambda _: Response(403, body=b"caf\xe9")), "reply's body is not UTF-8"),
        (acts(on_request=lambda _: Response(403, headers={"x-a": "caf\udce9"})), "value of x-a is not UTF-8"),
    ],
)
def test_what_ext_authz_can_not_carry_is_refused_with_the_remedy(
    plugin: Plugin, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert denied(check(ask.check(), plugin)) == 500
    assert words in caplog.text
    assert "use ext_proc" in caplog.text


@pytest.mark.parametrize(
    ("extension", "fields"), [("", ()), ("some", ()), ("whole", (("x-envoy-auth-partial-body", "true"),))]
)
def test_a_body_that_may_not_be_whole_is_none(
    extension: str, fields: tuple[tuple[str, str], ...], caplog: pytest.LogCaptureFixture
) -> None:
    message = ask.check(*fields, outrider_body=extension)
    message.attributes.request.http.raw_body = b"part"
    assert denied(check(message, acts(on_request_body=passes))) == 500
    assert "set with_request_body" in caplog.text


def test_a_body_of_another_length_than_announced_is_not_whole() -> None:
    assert (
        denied(check(ask.check(("content-length", "4"), outrider_body="whole"), acts(on_request_body=passes))) == 500
    )


@pytest.mark.parametrize("fields", [(("content-length", "4"),), (("transfer-encoding", "chunked"),), ()])
def test_an_upgrade_with_a_body_is_refused_where_plugins_read_bodies(fields: tuple[tuple[str, str], ...]) -> None:
    upgrade = (("connection", "upgrade"), ("upgrade", "websocket"))
    message = ask.check(*upgrade, *fields, method="POST", outrider_body="whole")
    assert denied(check(message, acts(on_request_body=passes))) == 400
    assert check(message, acts(on_request=passes)).status.code == OK
    message = ask.check(*upgrade, outrider_body="whole")
    assert check(message, acts(on_request_body=passes)).status.code == OK


def test_a_body_that_was_not_sent_as_bytes_may_be_another_one() -> None:
    message = ask.check(outrider_body="whole")
    message.attributes.request.http.body = "caf!"
    assert denied(check(message, acts(on_request_body=passes))) == 500


def test_a_body_hook_sees_the_whole_body_and_not_what_envoy_says_about_it() -> None:
    seen: list[object] = []

    def look(request: Request, body: bytes) -> None:
        seen.extend([body, "x-envoy-auth-partial-body" in request.headers])

    message = ask.check(("x-envoy-auth-partial-body", "false"), outrider_body="whole")
    message.attributes.request.http.raw_body = b"all of it"
    assert check(message, acts(on_request_body=look)).status.code == OK
    assert seen == [b"all of it", False]


def test_a_new_body_can_not_go_upstream_behind_ext_authz(caplog: pytest.LogCaptureFixture) -> None:
    message = ask.check(outrider_body="whole")
    assert denied(check(message, acts(on_request_body=lambda _, __: b"new"))) == 500
    assert "use ext_proc" in caplog.text


@pytest.mark.parametrize("raw", [True, False])
def test_the_request_is_what_envoy_sent(*, raw: bool) -> None:
    seen: list[Request] = []
    message = ask.check(
        ("x-a", "1"),
        ("x-b", ""),
        method="POST",
        path="/a//b?x=%zz",
        host="Shop.example:80",
        raw=raw,
        client="2001:db8::1",
    )
    check(message, acts(on_request=seen.append))
    (request,) = seen
    assert (request.method, request.path, request.query) == ("POST", "/a//b", "x=%zz")
    assert (request.host, request.port, request.scheme) == ("shop.example", 80, "http")
    assert request.client == "2001:db8::1"
    assert dict(request.headers) == {"x-a": "1", "x-b": ""}


def test_raw_headers_keep_duplicates_and_odd_bytes() -> None:
    seen: list[Request] = []
    check(ask.check(("x-a", "1"), ("x-a", b"caf\xe9")), acts(on_request=seen.append))
    assert seen[0].headers.get_all("x-a") == ["1", "caf\udce9"]


@pytest.mark.parametrize(
    ("message", "route", "status"),
    [
        (ask.check(), None, 404),
        (ask.check(), "orders", OK),
        (ask.check(), "nowhere", 500),
        (ask.check(outrider_route="orders"), None, OK),
        (ask.check(outrider_route="nowhere"), None, 500),
        # What stands at the route is closer than what stands at the filter.
        (ask.check(outrider_route="nowhere"), "orders", 500),
        (CheckRequest(), "orders", 500),
        (ask.check(path=""), "orders", 500),
        (ask.check(method=""), "orders", 500),
    ],
)
def test_only_a_chain_that_is_found_allows(message: CheckRequest, route: str | None, status: int) -> None:
    answer = check(message, acts(on_request=lambda _: None), route=route)
    if status == OK:
        assert answer.status.code == OK
    else:
        assert denied(answer) == status


def test_a_fault_is_a_denial() -> None:
    def fails(_: Request) -> None:
        raise RuntimeError

    assert denied(check(ask.check(), acts(on_request=fails))) == 500


@pytest.mark.parametrize(
    ("plugin", "expected"),
    [
        (acts(on_request=passes), "passed"),
        (acts(on_request=lambda _: Response(403)), "replied"),
        (acts(on_request=lambda request: change(request.headers, "set x-a caf\udce9")), "aborted"),
        (acts(on_request_body=passes), "aborted"),
    ],
)
def test_a_plugin_that_can_live_without_the_end_hears_how_the_check_ended(plugin: Plugin, expected: str) -> None:
    endings: list[str] = []
    check(ask.check(), acts(on_request=passes, on_log=lambda _, log: endings.append(log.ending)), plugin)
    assert endings == [expected]
