"""introspection-auth against a real server on this machine: honest, lying, down, slow, huge, redirecting."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from harness.web_server import Answer, Asked, WebServer, ok, status, web_server
from outrider import Consumer, Consumers, Request, Runtime
from outrider.testing import Outcome, Runner
from outrider_plugins import introspection_auth
from outrider_plugins.introspection_auth import IntrospectionAuth

ALICE, GUEST = Consumer("c-1", username="alice"), Consumer("c-2", username="guest")
PEOPLE = Consumers([ALICE, GUEST])
SECRET = "s3cr et:ü"
GOOD = "good"
INVALID = 'Bearer error="invalid_token"'


def says(**claims: Any) -> Answer:
    """A server to which every token that begins with `good` is active."""

    def answer(asked: Asked) -> bytes:
        active = asked.form["token"].startswith("good")
        return ok(json.dumps({"active": True, **claims} if active else {"active": False}).encode())

    return answer


class Gateway:
    """A worker with introspection-auth that asks one server."""

    def __init__(self, runner: Runner, server: WebServer) -> None:
        self._runner, self.server = runner, server

    async def ask(self, token: str = GOOD, **headers: str) -> Outcome:
        answer = await self._runner.send(Request(headers={"authorization": f"Bearer {token}", **headers}))
        assert (answer.upstream is not None) == (answer.status == 200)
        return answer

    async def status(self, token: str = GOOD) -> int:
        return (await self.ask(token)).status

    @property
    def asked(self) -> int:
        return len(self.server.asked)


def introspecting(endpoint: str, **fields: Any) -> IntrospectionAuth:
    usual: dict[str, Any] = {"endpoint": endpoint, "client_id": "gate way", "client_secret": SECRET}
    usual |= {"timeout": 600_000, "endpoint_timeout": 60_000}  # however busy the machine is
    return IntrospectionAuth(**{**usual, **fields})


Story = Callable[[Gateway], Awaitable[None]]


def play(story: Story, answer: Answer | None = None, **fields: Any) -> None:
    async def main() -> None:
        async with web_server(answer or says(sub="alice")) as server:
            usual: dict[str, Any] = {
                "endpoint": f"{server.address}/introspect",
                "client_id": "gate way",
                "client_secret": SECRET,
            }
            plugin = IntrospectionAuth(**{**usual, **fields})
            async with Runner([plugin], Runtime(PEOPLE)) as runner:
                await story(Gateway(runner, server))

    asyncio.run(main())


def test_an_active_token_lets_its_consumer_in() -> None:
    async def story(gateway: Gateway) -> None:
        sent = (await gateway.ask()).upstream
        assert sent is not None
        assert (sent.consumer, sent.credential, sent.claims["email"]) == (ALICE, "alice", "a@b.example")
        assert (sent.headers["x-consumer-username"], sent.headers["x-mail"]) == ("alice", "a@b.example")
        assert sent.headers["authorization"] == "Bearer good"

    play(story, says(sub="alice", email="a@b.example"), claims_to_headers={"email": "x-mail"})


def test_any_other_token_and_none_are_told_no_more_than_the_rfc_says() -> None:
    async def story(gateway: Gateway) -> None:
        bad, none = await gateway.ask("bad"), await gateway.ask("", authorization="Basic eDp5")
        assert (bad.status, bad.headers["www-authenticate"]) == (401, INVALID)
        assert (none.status, none.headers["www-authenticate"]) == (401, 'Bearer realm="outrider"')

    play(story)


def test_the_server_is_asked_as_the_rfcs_want_it() -> None:
    async def story(gateway: Gateway) -> None:
        await gateway.ask("good+/=")
        asked = gateway.server.asked[0]
        assert (asked.method, asked.path) == ("POST", "/introspect")
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
        assert asked.form == {"token": "good+/=", "token_type_hint": "access_token"}
        # RFC 6749, section 2.3.1: gate+way:s3cr+et%3A%C3%BC
        assert asked.headers["authorization"] == "Basic Z2F0ZSt3YXk6czNjcitldCUzQSVDMyVCQw=="

    play(story)


def test_the_secret_may_go_into_the_form() -> None:
    async def story(gateway: Gateway) -> None:
        await gateway.ask()
        asked = gateway.server.asked[0]
        assert (asked.form["client_id"], asked.form["client_secret"]) == ("gate way", SECRET)
        assert "authorization" not in asked.headers

    play(story, client_auth="client_secret_post")


@pytest.mark.parametrize("token", ["a b", "a,b", "é", "a;b", "=", "a=b", "x" * (16 * 1024 + 1), '"a"'])
def test_what_can_be_no_token_is_refused_without_asking(token: str) -> None:
    async def story(gateway: Gateway) -> None:
        assert (await gateway.status(token), gateway.asked) == (401, 0)

    play(story)


def test_answers_are_remembered() -> None:
    async def story(gateway: Gateway) -> None:
        for token, expected in (("good", 200), ("bad", 401)) * 3:
            assert await gateway.status(token) == expected
        assert gateway.asked == 2

    play(story)


@pytest.mark.parametrize(("token", "fields"), [("good", {"remember": 0}), ("bad", {"remember_bad": 0})])
def test_remembering_can_be_turned_off(token: str, fields: Any) -> None:
    async def story(gateway: Gateway) -> None:
        for _ in range(3):
            await gateway.ask(token)
        assert gateway.asked == 3

    play(story, **fields)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [({}, 60), ({"exp": 1030}, 30), ({"exp": 1030.5}, 30.5), ({"exp": 5000}, 60), ({"nbf": 900, "iat": 1000}, 60)],
)
def test_a_good_answer_is_remembered_no_longer_than_the_token_lives(
    claims: Any, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(gateway: Gateway) -> None:
        assert await gateway.status() == 200
        for later, asked in ((expected - 0.001, 1), (expected, 2)):
            clock.now = 1000 + later
            await gateway.ask()
            assert gateway.asked == asked

    class Clock:
        now = 1000.0

    clock = Clock()
    monkeypatch.setattr(introspection_auth, "clock", lambda: clock.now)
    play(story, says(**claims))


def test_a_flood_of_one_token_makes_one_question() -> None:
    async def story(gateway: Gateway) -> None:
        gateway.server.gate.clear()
        flood = [asyncio.create_task(gateway.status()) for _ in range(100)]
        await _until(lambda: gateway.asked == 1)
        flood[0].cancel()
        gateway.server.gate.set()
        assert set(await asyncio.gather(*flood[1:])) == {200}
        assert gateway.asked == 1

    play(story)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_no_more_than_so_many_tokens_are_asked_about_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(introspection_auth, "ASKED", 3)

    async def story(gateway: Gateway) -> None:
        gateway.server.gate.clear()
        waiting = [asyncio.create_task(gateway.status(f"good-{number}")) for number in range(3)]
        await _until(lambda: gateway.asked == 3)
        outcome = await gateway.ask("good-3")
        assert (outcome.status, outcome.headers["retry-after"]) == (503, "5")
        gateway.server.gate.set()
        assert await asyncio.gather(*waiting) == [200] * 3
        assert await gateway.status("good-3") == 200

    play(story)


def test_no_more_than_so_many_tokens_are_remembered_and_bad_ones_push_out_no_good_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = len(b'{"active": true, "sub": "alice"}')
    monkeypatch.setattr(introspection_auth, "GOOD", 3 * size)
    monkeypatch.setattr(introspection_auth, "BAD", 3)

    async def story(gateway: Gateway) -> None:
        for number in range(3):
            assert await gateway.status(f"good-{number}") == 200
        for number in range(10):
            assert await gateway.status(f"bad-{number}") == 401
        asked = gateway.asked
        assert [await gateway.status(f"good-{number}") for number in range(3)] == [200] * 3
        assert gateway.asked == asked
        assert [await gateway.status(f"good-{number}") for number in (3, 0)] == [200] * 2
        assert gateway.asked == asked + 2

    play(story)


def test_a_flood_of_bad_tokens_does_not_make_a_slow_server_look_broken() -> None:
    async def story(gateway: Gateway) -> None:
        gateway.server.gate.clear()
        flood = [asyncio.create_task(gateway.status(f"bad-{number}")) for number in range(200)]
        await _until(lambda: gateway.asked == 16)
        gateway.server.gate.set()
        statuses = await asyncio.gather(*flood)
        assert statuses.count(503) == 200 - 64
        assert statuses.count(401) == 64
        assert await gateway.status() == 200

    play(story, break_after=1, break_for=600)


def test_who_waits_too_long_for_a_connection_of_ours_gets_503_and_the_server_is_not_to_blame() -> None:
    async def story(gateway: Gateway) -> None:
        gateway.server.gate.clear()
        flood = [asyncio.create_task(gateway.status(f"bad-{number}")) for number in range(20)]
        statuses = [await one for one in asyncio.as_completed(flood[16:])]
        gateway.server.gate.set()
        assert (statuses, set(await asyncio.gather(*flood[:16]))) == ([503] * 4, {401})
        assert await gateway.status() == 200

    play(story, break_after=1, break_for=600, endpoint_timeout=60_000, timeout=60_020)


def test_kept_connections_that_have_ended_are_no_fault_of_the_server() -> None:
    async def story(gateway: Gateway) -> None:
        gateway.server.gate.clear()
        first = [asyncio.create_task(gateway.status(f"good-{number}")) for number in range(8)]
        await _until(lambda: gateway.asked == 8)
        gateway.server.gate.set()
        assert set(await asyncio.gather(*first)) == {200}
        gateway.server.hang_up()
        assert [await gateway.status(f"good-{number}") for number in range(8, 24)] == [200] * 16

    play(story, break_after=1, break_for=600)


def test_an_answer_about_one_odd_token_ends_the_pause_of_a_server_that_is_back() -> None:
    def odd(asked: Asked) -> bytes | None:
        return status(400) if "odd" in asked.form["token"] else says()(asked)

    async def story(gateway: Gateway) -> None:
        gateway.server.answer = BROKEN["failing"]
        assert await gateway.status() == 503
        gateway.server.answer = odd
        while gateway.asked == 1:
            assert await gateway.status("odd") == 503
        assert await gateway.status() == 200

    play(story, break_after=1, break_for=1)


BROKEN: dict[str, Answer] = {
    "down": lambda _: b"",
    "silent": lambda _: None,
    "failing": lambda _: status(500),
    "refusing us": lambda _: status(401),
    "redirecting": lambda _: status(307, "location: https://evil.example/"),
    "empty": lambda _: status(204),
    "huge": lambda _: b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 70_000 + b'{"active": true}',
    "half": lambda _: b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"active": true}',
    "talking of something else": lambda _: ok(b"<html>"),
    "saying true": lambda _: ok(b"true"),
    "saying nothing": lambda _: ok(b"{}"),
    "saying 1": lambda _: ok(b'{"active": 1}'),
    "saying true as text": lambda _: ok(b'{"active": "true"}'),
    "saying both": lambda _: ok(b'{"active": false, "active": true}'),
    "in a list": lambda _: ok(b'[{"active": true}]'),
    "nested": lambda _: ok(b'{"active": true, "a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
    "odd to this token": lambda _: status(400),
}


@pytest.mark.parametrize("anonymous", [None, "guest"])
@pytest.mark.parametrize("kind", BROKEN)
def test_where_the_server_can_not_say_the_token_gets_503_and_makes_nobody_a_stranger(
    kind: str, anonymous: str | None
) -> None:
    async def story(gateway: Gateway) -> None:
        outcome = await gateway.ask()
        assert (outcome.status, outcome.headers["retry-after"]) == (503, "5")
        gateway.server.answer = says(sub="alice")
        while await gateway.status() != 200:
            assert kind == "silent"

    impatient = {"endpoint_timeout": 100, "break_after": 1000} if kind == "silent" else {}
    play(story, BROKEN[kind], anonymous=anonymous, **impatient)


@pytest.mark.parametrize("kind", ["failing", "down", "redirecting", "saying nothing"])
def test_a_server_that_fails_again_and_again_is_spared_while_remembered_tokens_pass(kind: str) -> None:
    async def story(gateway: Gateway) -> None:
        assert await gateway.status() == 200
        gateway.server.answer = BROKEN[kind]
        for number in range(20):
            assert await gateway.status(f"good-{number}") == 503
        # A connection that ends without an answer may be an old one: then it is asked once more.
        assert gateway.asked == 1 + 3 * (2 if kind == "down" else 1)
        assert await gateway.status() == 200

    play(story, break_after=3, break_for=600)


def test_tokens_that_the_server_makes_nothing_of_do_not_spoil_it_for_others() -> None:
    async def story(gateway: Gateway) -> None:
        gateway.server.answer = BROKEN["odd to this token"]
        for number in range(10):
            assert await gateway.status(f"good-{number}") == 503
        gateway.server.answer = says()
        assert await gateway.status() == 200

    play(story, break_after=2, break_for=600)


@pytest.mark.parametrize(
    ("claims", "fields"),
    [
        ({"exp": 1}, {}),
        ({"exp": "soon"}, {}),
        ({"nbf": 99_999_999_999}, {}),
        ({"iss": "https://evil.example"}, {"issuer": "https://issuer.example"}),
        ({}, {"issuer": "https://issuer.example"}),
        ({"aud": "billing"}, {"audiences": ["orders"]}),
        ({}, {"audiences": ["orders"]}),
        ({"sub": 7}, {}),
        ({"sub": ""}, {}),
        ({"sub": " alice"}, {}),
        ({"sub": "a\r\nx-admin: true"}, {}),
        ({"mail": "a\nb"}, {"claims_to_headers": {"mail": "x-mail"}}),
    ],
)
def test_an_active_token_that_is_not_for_us_or_not_now_is_refused(claims: Any, fields: Any) -> None:
    async def story(gateway: Gateway) -> None:
        outcome = await gateway.ask()
        assert (outcome.status, outcome.headers["www-authenticate"]) == (401, INVALID)
        assert await gateway.status() == 401
        assert gateway.asked == 1

    play(story, says(**claims), **fields)


@pytest.mark.parametrize(
    ("claims", "fields", "expected"),
    [
        ({"scope": "read"}, {"required_scopes": ["read"]}, 200),
        ({"scope": "read"}, {"required_scopes": ["read", "write"]}, 403),
        ({"scope": "read"}, {"any_scopes": ["read", "write"]}, 200),
        ({"client_id": "app"}, {"required_claims": {"client_id": ["app", "web"]}}, 200),
        ({"client_id": "evil"}, {"required_claims": {"client_id": ["app", "web"]}}, 403),
        ({"iss": "i", "aud": ["a", "orders"]}, {"issuer": "i", "audiences": ["orders"]}, 200),
    ],
)
def test_scopes_claims_and_audiences_can_be_required(claims: Any, fields: Any, expected: int) -> None:
    async def story(gateway: Gateway) -> None:
        assert [await gateway.status() for _ in range(2)] == [expected] * 2
        assert gateway.asked == 1

    play(story, says(**claims), **fields)


@pytest.mark.parametrize(
    ("claims", "credential", "consumer"),
    [
        ({"sub": "s", "username": "alice", "client_id": "c"}, "s", None),
        ({"username": "alice", "client_id": "c"}, "username:alice", None),
        ({"client_id": "c"}, "client_id:c", None),
        ({}, "introspected", None),
    ],
)
def test_the_credential_is_called_after_what_the_server_says_and_never_after_the_token(
    claims: Any, credential: str, consumer: Consumer | None
) -> None:
    async def story(gateway: Gateway) -> None:
        sent = (await gateway.ask()).upstream
        assert sent is not None
        assert (sent.credential, sent.consumer) == (credential, consumer)

    play(story, says(**claims))


def test_neither_tokens_nor_the_secret_are_in_a_log_or_a_representation(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    async def story(gateway: Gateway) -> None:
        for answer in [*BROKEN.values(), says()]:
            if answer is not BROKEN["silent"]:
                gateway.server.answer = answer
                told.append(str((await gateway.ask("good-token-1234")).body))

    with caplog.at_level(logging.DEBUG):
        play(story, break_after=1000)
    shown = caplog.text + "".join(told) + repr(introspecting("https://a.example"))
    assert "answers with status 401 (does it know client_id and client_secret?)" in shown
    assert "/introspect answers again" in shown
    assert all(secret not in shown for secret in ("good-token-1234", SECRET, quote(SECRET), "Z2F0ZSt3YXk"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"endpoint": "http://issuer.example/"}, "must be https"),
        ({"endpoint": "https://user:pass@issuer.example/"}, "without a user"),
        ({"client_secret": ""}, "client_secret"),
        ({"client_id": ""}, "client_id"),
        (
            {"endpoint_timeout": 1000, "timeout": 1000},
            "endpoint_timeout is 1000 ms, and timeout 1000 ms",
        ),
        ({"remember": -1}, "remember"),
        ({"remember_bad": 301}, "remember_bad"),
        ({"break_after": 0}, "break_after"),
        ({"client_auth": "none"}, "client_auth"),
        ({"header": None}, "looks for its credential nowhere"),
    ],
)
def test_mistakes_are_told_without_the_secret(fields: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        introspecting(**{"endpoint": "https://issuer.example/introspect", **fields})
    assert SECRET not in str(caught.value)
