"""Which hooks run, in which order, and which plugins hear how the request ended."""

import asyncio
import re
from collections.abc import Callable
from typing import ClassVar

import pytest

from harness.chains import acts, chain, walk_of
from outrider import LogRecord, Plugin, Refusal, Request, Response
from outrider.exchange import BODY
from outrider.testing import run
from outrider.verdict import PASS, Reply


class Says(Plugin):
    """Tells when each of its hooks runs; replies, fails or replaces the body in the hook that it is told to."""

    name: str
    heard: Callable[[str], None]
    act: str = ""

    def on_request(self, _: Request, /) -> Response | None:
        return self._say("request")

    def on_request_body(self, _: Request, body: bytes, /) -> bytes | Response | None:
        return self._say(f"request-body({body.decode()})") or self._new_body("request", body)

    def on_response(self, _: Request, response: Response, /) -> Response | None:
        return self._say(f"response({response.status})")

    def on_response_body(self, _: Request, __: Response, body: bytes, /) -> bytes | Response | None:
        return self._say(f"response-body({body.decode()})") or self._new_body("response", body)

    def on_log(self, _: Request, log: LogRecord, /) -> None:
        self.heard(f"{self.name}.log({log.ending} {log.status} {log.plugin})")

    def _say(self, what: str) -> Response | None:
        self.heard(f"{self.name}.{what}")
        hook = what.partition("(")[0]
        if self.act == f"{hook} fails":
            raise RuntimeError
        return Response(418, body=self.name) if self.act == f"{hook} replies" else None

    def _new_body(self, message: str, body: bytes) -> bytes | None:
        return body + self.name.encode() if self.act == f"{message} grows" else None


def says(**acts_of: str) -> str:
    """What three plugins a, b, c say about a request with the body `in` that is answered with `200 out`."""
    said: list[str] = []
    plugins = [Says(name=name, heard=said.append, act=acts_of.get(name, "")) for name in "abc"]
    run(plugins, Request("POST", "/"), b"in", response=Response(200, body=b"out"))
    # The words of a refusal are not what this is about.
    return re.sub(r"\{.*?\}", "{}", " ".join(said))


@pytest.mark.parametrize(
    ("acts_of", "expected"),
    [
        pytest.param(
            {},
            "a.request a.request-body(in) b.request b.request-body(in) c.request c.request-body(in) "
            "c.response(200) c.response-body(out) b.response(200) b.response-body(out) "
            "a.response(200) a.response-body(out) "
            "a.log(passed 200 None) b.log(passed 200 None) c.log(passed 200 None)",
            id="each step is done before the next one, and the response goes back",
        ),
        pytest.param(
            {"b": "request replies"},
            "a.request a.request-body(in) b.request a.response(418) a.response-body(b) "
            "a.log(replied 418 says) b.log(replied 418 says)",
            id="a reply goes back through those before it only",
        ),
        pytest.param(
            {"b": "request-body replies"},
            "a.request a.request-body(in) b.request b.request-body(in) a.response(418) a.response-body(b) "
            "a.log(replied 418 says) b.log(replied 418 says)",
            id="a reply to a body too",
        ),
        pytest.param(
            {"a": "request replies"},
            "a.request a.log(replied 418 says)",
            id="the first one's reply meets no hook",
        ),
        pytest.param(
            {"b": "response replies"},
            "a.request a.request-body(in) b.request b.request-body(in) c.request c.request-body(in) "
            "c.response(200) c.response-body(out) b.response(200) a.response(418) a.response-body(b) "
            "a.log(replied 418 says) b.log(replied 418 says) c.log(replied 418 says)",
            id="a reply to a response takes its place for those before it",
        ),
        pytest.param(
            {"b": "response-body replies"},
            "a.request a.request-body(in) b.request b.request-body(in) c.request c.request-body(in) "
            "c.response(200) c.response-body(out) b.response(200) b.response-body(out) "
            "a.response(418) a.response-body(b) "
            "a.log(replied 418 says) b.log(replied 418 says) c.log(replied 418 says)",
            id="a reply to a response's body too",
        ),
        pytest.param(
            {"a": "request grows", "b": "request grows"},
            "a.request a.request-body(in) b.request b.request-body(ina) c.request c.request-body(inab) "
            "c.response(200) c.response-body(out) b.response(200) b.response-body(out) "
            "a.response(200) a.response-body(out) "
            "a.log(passed 200 None) b.log(passed 200 None) c.log(passed 200 None)",
            id="a later plugin sees the body that an earlier one wrote",
        ),
        pytest.param(
            {"c": "response grows", "b": "response grows"},
            "a.request a.request-body(in) b.request b.request-body(in) c.request c.request-body(in) "
            "c.response(200) c.response-body(out) b.response(200) b.response-body(outc) "
            "a.response(200) a.response-body(outcb) "
            "a.log(passed 200 None) b.log(passed 200 None) c.log(passed 200 None)",
            id="on the way back too",
        ),
        pytest.param(
            {"b": "request replies", "a": "response grows"},
            "a.request a.request-body(in) b.request a.response(418) a.response-body(b) "
            "a.log(replied 418 says) b.log(replied 418 says)",
            id="the body of a reply can be rewritten",
        ),
        pytest.param(
            {"c": "request replies", "b": "response fails"},
            "a.request a.request-body(in) b.request b.request-body(in) c.request b.response(418) "
            "a.response(500) a.response-body({}) "
            "a.log(fault 500 says) b.log(fault 500 says) c.log(fault 500 says)",
            id="who replied is told the end even where a later hook failed",
        ),
        pytest.param(
            {"b": "response fails"},
            "a.request a.request-body(in) b.request b.request-body(in) c.request c.request-body(in) "
            "c.response(200) c.response-body(out) b.response(200) a.response(500) a.response-body({}) "
            "a.log(fault 500 says) b.log(fault 500 says) c.log(fault 500 says)",
            id="a fault on the way back is answered for those before it",
        ),
        pytest.param(
            {"b": "request fails"},
            "a.request a.request-body(in) b.request a.response(500) a.response-body({}) a.log(fault 500 says)",
            id="a plugin that failed has decided nothing, and those after it do not run",
        ),
    ],
)
def test_hooks_run_in_the_order_of_the_contract(acts_of: dict[str, str], expected: str) -> None:
    assert says(**acts_of) == expected


def test_a_higher_priority_runs_first_whatever_the_order_in_the_file() -> None:
    order: list[str] = []

    class Late(Says):
        priority: ClassVar[int] = 1

    class Early(Says):
        priority: ClassVar[int] = 900

    run([Late(name="late", heard=order.append), Early(name="early", heard=order.append)], Request())
    assert [said for said in order if said.endswith(".request")] == ["early.request", "late.request"]


def test_a_chain_waits_at_the_body_before_a_later_plugin_acts() -> None:
    acted: list[str] = []
    exchange = chain(
        acts(on_request_body=lambda _, body: None if body == b"signed" else Refusal(403, "No")),
        acts(on_request=lambda _: acted.append("counted")),
    ).begin(Request("POST"))
    walk = exchange.request_phase()
    assert next(walk) is BODY
    assert not acted
    with pytest.raises(StopIteration) as stop:
        walk.send(b"forged")
    assert isinstance(stop.value.value, Reply)
    assert not acted


def test_the_body_is_read_once_for_all_plugins() -> None:
    exchange = chain(acts(on_request_body=lambda _, __: None), acts(on_request_body=lambda _, __: None)).begin(
        Request()
    )
    walk = exchange.request_phase()
    assert next(walk) is BODY
    with pytest.raises(StopIteration) as stop:
        walk.send(b"body")
    assert stop.value.value is PASS


def test_a_message_without_a_body_has_an_empty_one() -> None:
    bodies: list[bytes] = []
    plugin = acts(
        on_request_body=lambda _, body: bodies.append(body), on_response_body=lambda _, __, body: bodies.append(body)
    )
    run(plugin, Request())
    assert bodies == [b"", b""]


def test_a_plugin_that_waited_for_a_body_has_decided_nothing() -> None:
    endings: list[str] = []
    exchange = chain(
        acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(f"before {log.ending}")),
        acts(on_request_body=lambda _, __: None, on_log=lambda _, __: endings.append("waiting")),
    ).begin(Request("POST"))
    walk = exchange.request_phase()
    assert next(walk) is BODY
    walk.close()
    exchange.end(aborted=True)
    assert endings == ["before aborted"]


def test_an_answer_meets_only_the_plugins_that_let_the_request_on() -> None:
    """Envoy itself may answer, a 413 for instance, while a plugin waits for the body."""
    seen: list[str] = []
    exchange = chain(
        acts(on_request=lambda _: None, on_response=lambda _, __: seen.append("before")),
        acts(on_request_body=lambda _, __: None, on_response=lambda _, __: seen.append("waiting")),
    ).begin(Request("POST"))
    walk = exchange.request_phase()
    assert next(walk) is BODY
    walk.close()
    assert walk_of(exchange.response_phase(Response(413))) is PASS
    assert seen == ["before"]


def test_the_end_is_told_once_however_often_it_comes() -> None:
    endings: list[str] = []
    plugin = acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(log.ending))
    exchange = chain(plugin).begin(Request())
    walk_of(exchange.request_phase())
    exchange.end(aborted=False)
    exchange.end(aborted=True)
    assert endings == ["passed"]


def test_the_end_tells_what_downstream_got_who_answered_and_how_long_it_took() -> None:
    records: list[LogRecord] = []
    run(acts(on_request=lambda _: Response(429), on_log=lambda _, log: records.append(log)), Request())
    (record,) = records
    assert (record.ending, record.status, record.plugin) == ("replied", 429, "acts")
    assert 0 < record.duration < 60


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, asyncio.CancelledError])
def test_a_plugin_that_fails_at_the_end_keeps_no_other_from_hearing_it(error: type[BaseException]) -> None:
    endings: list[str] = []

    def fails(*_: object) -> None:
        raise error

    run(
        [
            acts(on_request=lambda _: None, on_log=fails),
            acts(on_request=lambda _: None, on_log=lambda _, log: endings.append(log.ending)),
        ],
        Request(),
    )
    assert endings == ["passed"]


def test_a_response_is_changed_in_place_or_replaced() -> None:
    def changes(_: Request, response: Response) -> None:
        response.status = 201
        response.headers["x-a"] = "1"

    upstream = Response(200, body=b"out", headers={"x-b": "2"})
    changed = run(acts(on_response=changes), Request(), response=upstream)
    assert (changed.status, changed.body, changed.headers) == (201, b"out", {"x-b": "2", "x-a": "1"})
    replaced = run(acts(on_response=lambda _, __: Response(202, body=b"new")), Request(), response=Response(200))
    assert (replaced.status, replaced.body, replaced.headers) == (202, b"new", {})


def test_returning_the_response_that_a_hook_was_given_lets_it_on() -> None:
    endings: list[str] = []
    plugin = acts(on_response=lambda _, response: response, on_log=lambda _, log: endings.append(log.ending))
    outcome = run(plugin, Request(), response=Response(201, body=b"out"))
    assert (outcome.status, outcome.body, endings) == (201, b"out", ["passed"])
