"""Bodies piece by piece: when chunk hooks run, what they may return, and what ends a stream."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness.chains import acts, acts_in, passes, returns
from outrider import AbortError, LogRecord, Plugin, Refusal, Request, Response
from outrider.errors import PluginError
from outrider.needs import Needs
from outrider.testing import Outcome, run

PIECES = (b"one ", b"two ", b"three")


def upper(*seen: Any) -> bytes:
    chunk: bytes = seen[-2]
    return chunk.upper()


def told(*seen: Any) -> bytes:
    """Shows what the hook saw."""
    chunk, last = seen[-2:]
    return b"[%s%s]" % (chunk, b"." if last else b"")


def fails(*_: object) -> bytes:
    raise RuntimeError


def aborts(*_: object) -> bytes:
    raise AbortError(Refusal(413, "Too much"))


def send(*plugins: Plugin, body: bytes | Sequence[bytes] = PIECES, **fields: Any) -> Outcome:
    return run(list(plugins), Request("POST", "/"), body, **fields)


def test_each_piece_goes_on_as_the_hooks_made_it_in_the_order_of_the_chain() -> None:
    outcome = send(acts(on_request_chunk=upper), acts(on_request_chunk=told, resizes=True))
    assert outcome.upstream_chunks == (b"[ONE ]", b"[TWO ]", b"[THREE.]")


def test_a_response_goes_through_the_chain_in_reverse() -> None:
    plugins = acts(on_response_chunk=told, resizes=True), acts(on_response_chunk=upper)
    assert send(*plugins, response_chunks=PIECES).chunks == (b"[ONE ]", b"[TWO ]", b"[THREE.]")


def test_a_message_without_a_body_has_one_empty_last_piece() -> None:
    plugin = acts(on_request_chunk=told, on_response_chunk=told, resizes=True)
    outcome = send(plugin, body=b"")
    assert (outcome.upstream_chunks, outcome.chunks) == ((b"[.]",), (b"[.]",))


def test_bytes_that_are_held_back_may_come_with_a_later_piece() -> None:
    held: list[bytes] = []

    def holds(_: Request, chunk: bytes, last: bool) -> bytes:
        held.append(chunk)
        return b"".join(held) if last else b""

    assert send(acts(on_request_chunk=holds, resizes=True)).upstream_chunks == (b"", b"", b"one two three")


@pytest.mark.parametrize("hook", ["on_request_chunk", "on_response_chunk"])
def test_another_length_must_be_declared(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    outcome = send(acts_in({hook: told}), response_chunks=PIECES)
    assert outcome.aborted or outcome.status == 500
    assert f"Needs(resizes=frozenset({{'{hook}'}}))" in caplog.text


@pytest.mark.parametrize("value", [None, "text", bytearray(b"one "), 42, Response(200)])
def test_a_piece_must_come_back_as_bytes(value: object, caplog: pytest.LogCaptureFixture) -> None:
    assert send(acts(on_request_chunk=returns(value))).status == 500
    assert "return the bytes that go on" in caplog.text


def test_chunk_hooks_run_after_all_hooks_on_headers() -> None:
    order: list[str] = []

    def notes(word: str, value: Any = None) -> Callable[..., Any]:
        def hook(*_: object) -> Any:
            order.append(word)
            return value

        return hook

    first = acts(on_request=notes("first"), on_request_chunk=notes("chunk", b"body"))
    send(first, acts(on_request=notes("second")), body=b"body")
    assert order == ["first", "second", "chunk"]


def test_where_another_plugin_needs_the_whole_body_it_comes_as_one_piece() -> None:
    whole = acts(on_request_body=returns(b"new"), on_response_body=returns(b"NEW"))
    chunked = acts(on_request_chunk=told, on_response_chunk=told, resizes=True)
    outcome = send(chunked, whole, response_chunks=PIECES)
    assert (outcome.upstream_chunks, outcome.chunks) == ((b"[new.]",), (b"[NEW.]",))


def test_a_reply_goes_through_the_chunk_hooks_of_the_plugins_before_it_as_one_piece() -> None:
    before, replies, after = (acts(on_response_chunk=told, resizes=True) for _ in range(3))
    replies = acts(on_request=returns(Response(200, body=b"reply")), on_response_chunk=told, resizes=True)
    assert send(before, replies, after).body == b"[reply.]"


def test_the_chunk_hook_of_a_response_that_was_replaced_is_not_asked_about_the_new_one() -> None:
    outer, inner = acts(on_response=returns(Response(418, body=b"new"))), acts(on_response_chunk=upper)
    outcome = send(outer, inner, response_chunks=PIECES)
    assert (outcome.status, outcome.body) == (418, b"new")


@pytest.mark.parametrize("hook", ["on_request_chunk", "on_request_body"])
def test_a_plugin_may_pass_over_one_request_s_body(hook: str) -> None:
    plugin = acts_in({"on_request": Request.skip_body, hook: fails})
    assert send(plugin, acts(on_request_chunk=upper)).upstream_body == b"ONE TWO THREE"


@pytest.mark.parametrize("hook", ["on_response_chunk", "on_response_body"])
def test_a_plugin_may_pass_over_one_response_s_body(hook: str) -> None:
    def skips(_: Request, response: Response) -> None:
        response.skip_body()

    plugin = acts_in({"on_response": skips, hook: fails})
    assert send(acts(on_response_chunk=upper), plugin, response_chunks=PIECES).body == b"ONE TWO THREE"


def test_to_pass_over_a_body_is_said_for_oneself_alone() -> None:
    skips = acts(on_request=Request.skip_body, on_request_chunk=fails)
    assert send(skips, acts(on_request_body=returns(b"new"))).upstream_body == b"new"
    assert send(acts(on_request=Request.skip_body), acts(on_request_chunk=upper)).upstream_body == b"ONE TWO THREE"


@pytest.mark.parametrize(("hook", "status"), [(fails, 500), (aborts, 413)])
def test_a_request_that_a_chunk_hook_ends_gets_a_refusal_while_the_response_has_not_begun(
    hook: Callable[..., bytes], status: int
) -> None:
    tags = acts(on_response=lambda _, response: response.headers.__setitem__("x-seen", "1"))
    own = acts(on_request_chunk=hook, on_response=lambda _, response: response.headers.__setitem__("x-own", "1"))
    outcome = send(tags, own)
    assert (outcome.status, outcome.upstream) == (status, None)
    assert outcome.headers["x-seen"] == "1", "as for a reply, the response hooks of the plugins before it run"
    assert "x-own" not in outcome.headers


@pytest.mark.parametrize("hook", [fails, aborts])
def test_a_response_that_a_chunk_hook_ends_is_cut(hook: Callable[..., bytes]) -> None:
    def ends_later(*seen: Any) -> bytes:
        return b"ONE " if seen[-2] == PIECES[0] else hook(*seen)

    outcome = send(acts(on_response_chunk=ends_later), response_chunks=PIECES)
    assert (outcome.aborted, outcome.chunks) == (True, (b"ONE ",))


def test_a_chunk_hook_that_waits_too_long_is_a_503() -> None:
    async def waits(*_: object) -> bytes:
        await asyncio.Event().wait()
        return b""

    assert send(acts(on_request_chunk=waits, timeout=1)).status == 503


def test_an_async_chunk_hook_may_wait() -> None:
    async def waits(_: Request, chunk: bytes, __: bool) -> bytes:
        await asyncio.sleep(0)
        return chunk.upper()

    assert send(acts(on_request_chunk=waits)).upstream_body == b"ONE TWO THREE"


def test_one_that_may_fail_is_left_out_from_then_on() -> None:
    calls: list[bytes] = []

    def fails_at_two(_: Request, chunk: bytes, __: bool) -> bytes:
        calls.append(chunk)
        return chunk.upper() if chunk == b"one " else fails()

    outcome = send(acts(on_request_chunk=fails_at_two, on_error="continue"))
    assert (outcome.upstream_body, calls) == (b"ONE two three", [b"one ", b"two "])


def test_one_that_may_hold_bytes_back_is_not_left_out() -> None:
    assert send(acts(on_request_chunk=fails, on_error="continue", resizes=True)).status == 500


def test_to_abort_is_a_decision_and_no_failure() -> None:
    assert send(acts(on_request_chunk=aborts, on_error="continue")).status == 413


def test_an_abort_outside_of_a_chunk_hook_is_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    assert send(acts(on_request=aborts)).status == 500
    assert "return the refusal in its place" in caplog.text


@pytest.mark.parametrize("hook", ["on_request_chunk", "on_response", "on_response_chunk"])
def test_headers_that_have_been_sent_can_not_be_changed(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    def changes(request: Request, *seen: Any) -> Any:
        target = seen[0] if hook == "on_response_chunk" else request
        target.headers["x-late"] = "1"
        return seen[-2] if "chunk" in hook else None

    outcome = send(acts_in({hook: changes}), response_chunks=PIECES)
    assert outcome.aborted or outcome.status == 500
    assert "the headers have been sent" in caplog.text


@pytest.mark.parametrize("hooks", [{}, {"on_response": passes}])
def test_a_reply_header_that_comes_too_late_is_a_fault(
    hooks: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def tells(request: Request, *seen: Any) -> Any:
        request.reply_headers["x-late"] = "1"
        return seen[-2]

    hook = "on_response_chunk" if hooks else "on_request_chunk"
    outcome = send(acts_in({hook: tells, **hooks}, replies=("x-late",)), response_chunks=PIECES)
    assert outcome.aborted or outcome.status == 500
    assert "'x-late' can't be set any more" in caplog.text


@pytest.mark.parametrize(
    ("hooks", "ending", "lengths"),
    [
        ({"on_request_chunk": upper, "on_response_chunk": upper}, "passed", (13, 13)),
        ({"on_request_body": passes}, "passed", (13, None)),
        ({"on_request": passes}, "passed", (None, None)),
        ({"on_request_chunk": fails}, "fault", (4, None)),
        ({"on_request_chunk": aborts}, "replied", (4, None)),
        ({"on_response_chunk": aborts}, "replied", (None, 4)),
    ],
)
def test_the_log_hears_how_it_ended_and_how_much_there_was(
    hooks: dict[str, Any], ending: str, lengths: tuple[int | None, int | None]
) -> None:
    logs: list[LogRecord] = []

    def hears(_: Request, log: LogRecord) -> None:
        logs.append(log)

    send(acts_in({"on_log": hears, **hooks}), response_chunks=PIECES)
    (log,) = logs
    assert (log.ending, (log.request_bytes, log.response_bytes)) == (ending, lengths)


@pytest.mark.parametrize("name", ["set-cookie", "Set-Cookie", "x-%"])
def test_a_reply_header_that_no_gateway_can_set_in_advance_is_none(name: str) -> None:
    with pytest.raises(PluginError, match="use on_response"):
        Needs(reply_headers=(name,))


def test_only_a_chunk_hook_can_resize() -> None:
    with pytest.raises(PluginError, match="resizes"):
        Needs(resizes=frozenset({"on_request_body"}))
