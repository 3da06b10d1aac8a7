"""The request phase at Kong: what is asked, and what goes out in one piece."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.chains import acts, change, passes, returns
from harness.kong_instances import kong
from outrider import Refusal, Request, Response
from outrider.needs import Fact
from outrider.received import Route
from outrider_kong.proto import pluginsocket_pb2 as pb

HEADERS, GET = "kong.request.get_headers", "kong.ctx.shared.get"
SET, CLEAR = "kong.service.request.set_headers", "kong.service.request.clear_header"
EXIT = "kong.response.exit"


def reads(seen: list[Any], *names: str) -> Callable[[Request], None]:
    """A hook that notes attributes of the request."""

    def hook(request: Request) -> None:
        seen.extend(getattr(request, name) for name in names)

    return hook


FACTS = b"\n".join(
    (b"number-1", b"POST", b"https", b"203.0.113.9", b"example.test", b"shop", b"items", b"a,b", b"/i?x=\xff")
)


def test_a_request_that_nothing_is_changed_of_takes_one_question_and_one_answer(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    peer.shared[b"outrider_request"] = pb.Value(string_value=FACTS)
    assert peer.event() == [HEADERS, GET]
    assert peer.returned is not None
    assert peer.returned.sequence == 2


def test_facts_are_those_that_the_pre_function_keeps(tmp_path: Path) -> None:
    seen: list[Any] = []
    peer = kong(
        tmp_path, acts(on_request=reads(seen, "method", "scheme", "client", "host", "port", "target", "route"))
    )
    peer.headers = [(b"host", b"Example.test:8443")]
    peer.shared[b"outrider_request"] = pb.Value(string_value=FACTS)
    peer.event()
    target, route = "/i?x=\udcff", Route("orders", "orders-service")
    assert seen == ["POST", "https", "203.0.113.9", "example.test", 8443, target, route]


@pytest.mark.parametrize("text", [b"", b"GET", b"\n" * 6, b"\n" * 7, b"\n" * 8])
def test_facts_of_another_form_are_a_refusal(tmp_path: Path, text: bytes) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    peer.shared[b"outrider_request"] = pb.Value(string_value=text)
    peer.event()
    assert peer.exit is not None
    assert peer.exit.status == 500


@pytest.mark.parametrize(
    ("known", "asked"),
    [
        (frozenset[Fact](), list[str]()),
        (frozenset({"method"}), ["kong.request.get_method"]),
        (frozenset({"path"}), ["kong.nginx.get_var"]),
        (frozenset({"host"}), ["kong.request.get_scheme", "kong.request.get_host"]),
        (frozenset({"client"}), ["kong.client.get_forwarded_ip"]),
    ],
)
def test_without_a_pre_function_only_facts_that_are_needed_are_asked(
    tmp_path: Path, known: frozenset[Fact], asked: list[str]
) -> None:
    plugin = acts(on_request=passes)
    plugin.known = known
    assert kong(tmp_path, plugin).event() == [
        HEADERS,
        GET,
        *asked,
        "kong.nginx.get_var",
        "kong.router.get_route",
        "kong.router.get_service",
    ]


def test_the_host_of_a_request_for_a_whole_uri_is_the_one_that_kong_goes_by(tmp_path: Path) -> None:
    seen: list[Any] = []
    peer = kong(tmp_path, acts(on_request=reads(seen, "host", "port", "authority")))
    peer.headers, peer.host = [(b"host", b"a.example:1")], b"c.example"
    peer.event()
    assert seen == ["c.example", None, "c.example"]


def test_a_request_has_the_form_that_it_has_everywhere(tmp_path: Path) -> None:
    seen: list[Any] = []
    names = ("method", "path", "query", "host", "port", "scheme", "client")
    peer = kong(tmp_path, acts(on_request=reads(seen, *names)))
    peer.method, peer.target = b"POST", b"/a%20b/../c?x=1&y=%ff"
    peer.headers = [(b"host", b"Example.test:8443")]
    peer.event()
    assert seen == ["POST", "/a%20b/../c", "x=1&y=%ff", "example.test", 8443, "http", "192.0.2.1"]


def test_headers_keep_their_order_their_number_and_their_bytes(tmp_path: Path) -> None:
    seen: list[Any] = []
    peer = kong(tmp_path, acts(on_request=lambda request: seen.extend(request.headers.fields())))
    peer.headers = [
        (b"x-a", b"1"),
        (b"x-b", b"\xff\xfe"),
        (b"x-a", b"2"),
        (b"x-empty", b""),
        (b"connection", b"close"),
    ]
    peer.event()
    assert sorted(seen) == [("x-a", "1"), ("x-a", "2"), ("x-b", "\udcff\udcfe"), ("x-empty", "")]


def test_changes_go_out_in_one_piece_with_the_end(tmp_path: Path) -> None:
    def hook(request: Request) -> None:
        change(request.headers, "set x-new one", "append x-many b", "discard x-old")
        request.query = "page=2"

    peer = kong(tmp_path, acts(on_request=hook))
    peer.headers += [(b"x-old", b"1"), (b"x-many", b"a")]
    assert peer.event()[-3:] == [CLEAR, SET, "kong.service.request.set_raw_query"]
    assert peer.sent(SET) == {"x-new": ["one"], "x-many": ["a", "b"]}
    assert pb.Text.FromString(peer.argument(CLEAR)).v == b"x-old"


def test_identity_headers_of_strangers_are_taken_off(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    peer.headers += [(b"x-consumer-id", b"me"), (b"x_consumer_username", b"me")]
    assert peer.event().count(CLEAR) == 2


def test_a_reply_is_an_exit_and_the_last_word(tmp_path: Path) -> None:
    answer = Response(418, body=b"short and stout", headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")])
    peer = kong(tmp_path, acts(on_request=returns(answer)), name="outrider-chain")
    assert peer.event()[-1] == EXIT
    assert peer.exit is not None
    assert (peer.exit.status, peer.exit.body) == (418, b"short and stout")
    # As Envoy says it of a body without a type.
    assert peer.sent_in_exit() == {"set-cookie": ["a=1", "b=2"], "content-type": ["text/plain"]}
    assert peer.returned is None


def test_a_refusal_of_a_grpc_call_is_told_in_its_status(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=returns(Refusal(403, "Not “you”, 100%"))))
    peer.headers.append((b"content-type", b"application/grpc"))
    peer.event()
    assert peer.exit is not None
    assert (peer.exit.status, peer.exit.body) == (200, b"")
    assert peer.sent_in_exit() == {
        "content-type": ["application/grpc"],
        "grpc-status": ["7"],
        "grpc-message": ["Not %E2%80%9Cyou%E2%80%9D, 100%25"],
    }


def test_reply_headers_wait_for_the_post_function(tmp_path: Path) -> None:
    def hook(request: Request) -> None:
        change(request.reply_headers, "set x-reply one", "append x-reply two")

    peer = kong(tmp_path, acts(on_request=hook, replies=("x-reply",)), name="outrider-chain")
    peer.event()
    (entry,) = peer.shared[b"outrider_reply"].struct_value.fields
    assert entry.key == b"x-reply"
    assert [value.string_value for value in entry.value.list_value.values] == [b"one", b"two"]


def test_an_async_hook_is_waited_for(tmp_path: Path) -> None:
    async def hook(request: Request) -> Response | None:
        await asyncio.sleep(0)
        return Response(402) if request.path == "/r" else None

    peer = kong(tmp_path, acts(on_request=hook))
    peer.event()
    assert peer.exit is not None
    assert peer.exit.status == 402


@pytest.mark.parametrize("error", [ValueError("x"), RecursionError(), SystemExit(0), KeyboardInterrupt()])
def test_a_hook_that_raises_is_a_refusal(tmp_path: Path, error: BaseException) -> None:
    def hook(_: Request) -> None:
        raise error

    peer = kong(tmp_path, acts(on_request=hook))
    peer.event()
    assert peer.exit is not None
    assert peer.exit.status == 500


def test_a_hook_over_its_time_is_a_refusal(tmp_path: Path) -> None:
    async def hook(_: Request) -> None:
        await asyncio.sleep(60)

    peer = kong(tmp_path, acts(on_request=hook, timeout=10))
    peer.event()
    assert peer.exit is not None
    assert peer.exit.status == 503


@pytest.mark.parametrize("number", [999, 1000])
def test_a_request_with_more_headers_than_nginx_tells_is_refused(tmp_path: Path, number: int) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    peer.headers = [(b"x-many", b"1")] * number
    peer.event()
    assert (peer.exit is None) == (number == 999)
    assert number == 999 or (peer.exit is not None and peer.exit.status == 431)


def test_what_can_not_be_kept_for_later_phases_is_a_refusal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def hook(request: Request) -> None:
        request.context["me"] = object()

    peer = kong(tmp_path, acts(on_request=hook, on_response=passes))
    peer.event()
    assert peer.exit is not None
    assert peer.exit.status == 500
    assert "request.context can't be kept as JSON" in caplog.text
