"""Later phases at Kong: what passes from one to the next, whichever process sees it."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.chains import acts, change, passes, returns
from harness.kong_instances import kong
from outrider import LogRecord, Plugin, Request, Response
from outrider.consumer import Consumer
from outrider_kong.proto import pluginsocket_pb2 as pb

EXIT = "kong.response.exit"


def test_a_chain_without_later_hooks_keeps_nothing(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes))
    peer.event()
    assert peer.shared == {}


def test_what_a_request_hook_found_reaches_the_response_in_another_process(tmp_path: Path) -> None:
    seen: list[Any] = []

    def on_request(request: Request) -> None:
        request.context["mark"] = {"n": [1, None, "ü", "\udcff"]}
        request.consumer, request.credential = Consumer("1", "alice", groups=("gold",)), "c-1"
        request.claims = {"sub": "alice"}
        request.id, request.trace_id = "id-1", "0" * 31 + "1"
        request.query = "changed=1"
        change(request.headers, "set x-own \udcff", "append x-own 2")
        change(request.reply_headers, "set x-reply 1")

    def on_response(request: Request, response: Response) -> None:
        seen.extend((request.context, request.consumer, request.credential, request.claims, request.id))
        seen.extend((request.trace_id, request.method, request.path, request.query, request.host, request.client))
        seen.extend((request.headers.get_all("x-own"), request.reply_headers["x-reply"], request.route.name))
        seen.append((response.status, response.headers.get_all("x-up")))

    plugin = acts(on_request=on_request, on_response=on_response, replies=("x-reply",))
    peer, other = kong(tmp_path, plugin), kong(tmp_path, plugin)
    peer.event()
    other.shared = peer.shared
    other.response_headers = [(b"x-up", b"a"), (b"x-up", b"b")]
    other.event("response", peer.instance)
    assert seen == [
        {"mark": {"n": [1, None, "ü", "\udcff"]}},
        Consumer("1", "alice", groups=("gold",)),
        "c-1",
        {"sub": "alice"},
        "id-1",
        "0" * 31 + "1",
        "GET",
        "/r",
        "changed=1",
        "example.test",
        "192.0.2.1",
        ["\udcff", "2"],
        "1",
        "orders",
        (200, ["a", "b"]),
    ]


def test_a_response_is_changed_by_setters(tmp_path: Path) -> None:
    def hook(_: Request, response: Response) -> None:
        response.status = 201
        change(response.headers, "set x-new 1", "append x-many b", "discard server")

    peer = kong(tmp_path, acts(on_response=hook))
    peer.event()
    peer.response_headers = [(b"server", b"up"), (b"x-many", b"a")]
    called = peer.event("response")
    assert called[4:] == ["kong.response.set_status", "kong.response.clear_header", "kong.response.set_headers"]
    assert peer.sent("kong.response.set_headers") == {"x-new": ["1"], "x-many": ["a", "b"]}


def test_a_reply_in_place_of_upstreams_answer_leaves_nothing_of_it(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_response=returns(Response(502, body=b"no", headers={"x-own": "1"}))))
    peer.event()
    peer.response_headers = [(b"set-cookie", b"a=1"), (b"content-encoding", b"gzip"), (b"content-length", b"9")]
    called = peer.event("response")
    cleared = {pb.Text.FromString(given).v for method, given in peer.calls if method == "kong.response.clear_header"}
    assert cleared == {b"set-cookie", b"content-encoding", b"content-length"}
    assert called[-1] == EXIT
    assert peer.exit is not None
    assert (peer.exit.status, peer.exit.body, peer.sent_in_exit()) == (
        502,
        b"no",
        {"x-own": ["1"], "content-type": ["text/plain"]},
    )


def test_response_hooks_run_in_reverse_and_only_where_the_request_passed(tmp_path: Path) -> None:
    ran: list[str] = []

    def told(name: str) -> Plugin:
        def hook(_: Request, response: Response) -> None:
            ran.append(f"{name} {response.status}")

        return acts(on_request=passes, on_response=hook)

    peer = kong(tmp_path, told("first"), told("second"), acts(on_request=returns(Response(403))), told("fourth"))
    peer.event()
    assert ran == ["second 403", "first 403"]


def test_a_response_whose_request_was_not_seen_is_refused(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_response=passes))
    peer.event("response")
    assert peer.exit is not None
    assert peer.exit.status == 500


def test_a_response_that_kong_tells_of_another_request_is_refused(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_response=passes))
    peer.event()
    peer.number = b"number-2"
    peer.event("response")
    assert peer.exit is not None
    assert peer.exit.status == 500


def test_a_response_with_more_headers_than_nginx_tells_is_refused(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_response=passes))
    peer.event()
    peer.response_headers = [(b"x-many", b"1")] * 1000
    peer.event("response")
    assert peer.exit is not None
    assert peer.exit.status == 500


@pytest.mark.parametrize("value", [b"websocket", b"WebSocket", b"h2c, websocket"])
def test_an_upgrade_does_not_get_round_the_response_phase(tmp_path: Path, value: bytes) -> None:
    peer = kong(tmp_path, acts(on_response=passes))
    peer.headers.append((b"upgrade", value))
    peer.event()
    assert peer.exit is not None
    assert peer.exit.status == 400


def test_an_upgrade_is_let_on_where_nobody_looks_at_responses(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes, on_log=passes), name="outrider-chain-log")
    peer.headers.append((b"upgrade", b"websocket"))
    peer.event()
    assert peer.exit is None


def test_a_fault_in_a_response_hook_is_a_refusal(tmp_path: Path) -> None:
    def hook(_: Request, __: Response) -> None:
        raise ValueError

    peer = kong(tmp_path, acts(on_response=hook))
    peer.event()
    peer.event("response")
    assert peer.exit is not None
    assert peer.exit.status == 500


@pytest.fixture
def records() -> list[LogRecord]:
    return []


def logs(records: list[LogRecord], **hooks: Any) -> Plugin:
    return acts(on_log=lambda _, record: records.append(record), **hooks)


def test_the_end_is_told_in_the_log_phase_and_once(tmp_path: Path, records: list[LogRecord]) -> None:
    peer = kong(tmp_path, logs(records, on_request=passes), name="outrider-chain-log")
    peer.headers.append((b"content-length", b"3"))
    peer.event()
    assert records == []
    peer.status, peer.response_headers = 404, [(b"content-length", b"12")]
    peer.event("log")
    (record,) = records
    assert (record.ending, record.status, record.plugin) == ("passed", 404, None)
    assert (record.request_bytes, record.response_bytes) == (3, 12)
    assert 0 < record.duration < 60


def test_the_end_names_the_plugin_that_replied(tmp_path: Path, records: list[LogRecord]) -> None:
    last = acts(on_request=returns(Response(403)))
    peer = kong(tmp_path, logs(records, on_request=passes), logs(records, on_request=passes), last)
    peer.event()
    peer.status = 403
    peer.event("log")
    assert [(record.ending, record.status, record.plugin) for record in records] == [("replied", 403, "plugin-2")] * 2


def test_a_fault_in_the_response_phase_is_told_once(tmp_path: Path, records: list[LogRecord]) -> None:
    def hook(_: Request, __: Response) -> None:
        raise ValueError

    peer = kong(tmp_path, logs(records, on_request=passes), acts(on_response=hook))
    peer.event()
    peer.event("response")
    peer.status = 500
    peer.event("log")
    assert [(record.ending, record.status, record.plugin) for record in records] == [("fault", 500, "plugin-1")]


def test_odd_bytes_in_the_response_phase_leave_the_end_to_the_log_phase(
    tmp_path: Path, records: list[LogRecord]
) -> None:
    peer = kong(tmp_path, logs(records, on_request=passes))
    peer.event()
    peer.status = 0
    peer.event("response")
    assert records == []
    peer.status = 500
    peer.event("log")
    assert [record.status for record in records] == [500]


def test_a_client_that_left_is_told_so(tmp_path: Path, records: list[LogRecord]) -> None:
    peer = kong(tmp_path, logs(records, on_request=passes))
    peer.event()
    peer.status = 499
    peer.event("log")
    assert [record.ending for record in records] == ["aborted"]


def test_a_log_event_of_a_request_that_we_did_not_see_is_nothing(tmp_path: Path, records: list[LogRecord]) -> None:
    peer = kong(tmp_path, logs(records, on_request=passes))
    peer.event("log")
    assert records == []
    assert peer.returned is not None


def test_a_fault_in_log_does_not_exit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    peer = kong(tmp_path, acts(on_log=passes))
    peer.shared[b"outrider:outrider-chain-response:orders"] = pb.Value(string_value=b"no JSON")
    peer.event("log")
    assert peer.exit is None
    assert peer.returned is not None
    assert "JSONDecodeError" in caplog.text


def test_a_request_that_is_lost_in_a_hook_is_told_as_aborted(tmp_path: Path, records: list[LogRecord]) -> None:
    peer = kong(tmp_path, logs(records, on_request=passes), acts(on_request_body=passes))
    peer.silent = "kong.request.get_raw_body"
    peer.event()
    peer.connection.close()
    assert [record.ending for record in records] == ["aborted"]


def test_the_state_is_json_and_no_more_than_a_chain_needs(tmp_path: Path) -> None:
    peer = kong(tmp_path, acts(on_request=passes, on_log=passes), name="outrider-chain-log")
    peer.event()
    state = json.loads(peer.shared[b"outrider:outrider-chain-log:orders"].string_value)
    assert state["progress"]["passed"] == ["plugin-0"]
