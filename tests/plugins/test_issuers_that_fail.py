"""Issuers that are down, slow, huge, rotating, lying and redirecting, each a real server on this machine."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from harness.tokens import in_a_day
from harness.web_server import Answer, Asked, WebServer, ok, status, web_server
from outrider import Request, Runtime
from outrider.testing import Runner
from outrider_plugins import jwt_auth, remote_keys
from outrider_plugins.jwt_auth import JwtAuth
from outrider_plugins.jwt_issuer import Issuer
from signing import Signer, jwks

OLD, NEW, EVIL = Signer("ES256", "old"), Signer("ES256", "new", number=1), Signer("ES256", "old", number=2)


def honest(*signers: Signer) -> Answer:
    """An issuer that says where its keys are, and which."""

    def answer(asked: Asked) -> bytes:
        if asked.path.endswith("openid-configuration"):
            address = f"http://{asked.headers['host']}"
            return ok(json.dumps({"issuer": address, "jwks_uri": f"{address}/keys"}).encode())
        return ok(jwks(*(signer.row() for signer in signers)))

    return answer


def token(server: WebServer, signer: Signer = OLD, **claims: Any) -> str:
    return signer.token({"iss": server.address, "sub": "alice", "exp": in_a_day(), **claims})


def paths(server: WebServer) -> list[str]:
    return [asked.path for asked in server.asked]


class Gateway:
    """A worker with jwt-auth that believes one server."""

    def __init__(self, runner: Runner, server: WebServer) -> None:
        self._runner, self.server = runner, server

    async def status(self, text: str) -> int:
        answer = await self._runner.send(Request(headers={"authorization": f"Bearer {text}"}))
        assert (answer.upstream is not None) == (answer.status == 200)
        return answer.status


def play(story: Callable[[Gateway], Awaitable[None]], answer: Answer | None = None, **fields: Any) -> None:
    """Starts a server and a worker, which has asked for the keys once when the story begins."""

    async def main() -> None:
        async with web_server(answer or honest(OLD)) as server:
            where = fields.pop("jwks", None)
            one = {"issuer": server.address, "jwks": where and server.address + where, **fields}
            async with Runner([JwtAuth(issuers=[Issuer.model_validate(one)], timeout=120_000)], Runtime()) as runner:
                await story(Gateway(runner, server))

    asyncio.run(main())


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A story begins when the keys were asked for, however busy the machine is."""
    monkeypatch.setattr(jwt_auth, "PATIENCE", 60.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fetches may follow each other at once."""
    for name in ("COOLDOWN", "RETRY"):
        monkeypatch.setattr(remote_keys, name, 0.001)


async def until(gateway: Gateway, text: str, status: int) -> None:
    while await gateway.status(text) != status:
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("where", [None, "/keys"])
def test_an_honest_issuer_is_believed_and_asked_once(where: str | None) -> None:
    async def story(gateway: Gateway) -> None:
        for _ in range(3):
            assert await gateway.status(token(gateway.server)) == 200
            assert await gateway.status(token(gateway.server, EVIL)) == 401
        expected = ["/keys"] if where else ["/.well-known/openid-configuration", "/keys"]
        assert paths(gateway.server) == expected

    play(story, jwks=where)


BAD: dict[str, Answer] = {
    "down": lambda _: b"",
    "silent": lambda _: None,
    "failing": lambda _: status(500),
    "redirecting": lambda _: status(302, "location: https://evil.example/"),
    "huge": lambda _: b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 600_000 + jwks(OLD.row()),
    "half": lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + jwks(OLD.row()),
    "talking of something else": lambda _: ok(b"<html>"),
    "without keys": lambda _: ok(b'{"keys": []}'),
    "nested": lambda _: ok(b"[" * 200_000),
    "with too many keys": lambda _: ok(jwks(*(OLD.row(kid=str(number)) for number in range(101)))),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("where", [None, "/keys"])
def test_while_an_issuer_gives_no_keys_its_tokens_get_503(
    kind: str, where: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(gateway: Gateway) -> None:
        while not gateway.server.asked:
            await asyncio.sleep(0.001)
        assert await gateway.status(token(gateway.server)) == 503
        assert await gateway.status(token(gateway.server, EVIL)) == 503

    if kind == "silent":
        monkeypatch.setattr(jwt_auth, "PATIENCE", 0.01)
    play(story, BAD[kind], jwks=where)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", sorted(BAD.keys() - {"silent"}))
def test_an_issuer_that_fails_later_is_believed_on_and_its_new_keys_are_when_it_is_back(kind: str) -> None:
    async def story(gateway: Gateway) -> None:
        assert await gateway.status(token(gateway.server)) == 200
        gateway.server.answer = BAD[kind]
        # Nobody can say whether it is a new key or none.
        await until(gateway, token(gateway.server, NEW), 503)
        assert await gateway.status(token(gateway.server, sub="bob")) == 200
        gateway.server.answer = honest(OLD, NEW)
        await until(gateway, token(gateway.server, NEW), 200)

    play(story)


def test_the_first_token_of_a_new_key_waits_until_the_key_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_keys, "COOLDOWN", 0.0)

    async def story(gateway: Gateway) -> None:
        assert await gateway.status(token(gateway.server)) == 200
        gateway.server.answer = honest(NEW)
        assert await gateway.status(token(gateway.server, NEW)) == 200
        assert await gateway.status(token(gateway.server)) == 401

    play(story)


def test_a_flood_of_unknown_keys_asks_once_while_good_tokens_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_keys, "COOLDOWN", 0.0)

    async def story(gateway: Gateway) -> None:
        server = gateway.server
        assert await gateway.status(token(server)) == 200
        server.gate.clear()
        server.asked.clear()
        monkeypatch.setattr(remote_keys, "COOLDOWN", 60.0)
        unknown = [asyncio.create_task(gateway.status(token(server, EVIL, n=n))) for n in range(50)]
        unknown += [asyncio.create_task(gateway.status(forged(server, number))) for number in range(50)]
        while not server.asked:
            assert await gateway.status(token(server)) == 200
            await asyncio.sleep(0)
        server.gate.set()
        assert set(await asyncio.gather(*unknown)) == {401}
        assert await gateway.status(forged(server, 1000)) == 401
        assert paths(server) == ["/.well-known/openid-configuration", "/keys"]

    play(story)


def forged(server: WebServer, number: int) -> str:
    return Signer("ES256", f"unknown-{number}").token({"iss": server.address, "exp": in_a_day()})


def test_a_token_of_an_unknown_key_waits_no_longer_than_half_of_the_time_it_has() -> None:
    async def main() -> None:
        async with web_server(honest(OLD)) as server:
            one = Issuer.model_validate({"issuer": server.address})
            async with Runner([JwtAuth(issuers=[one], timeout=20)], Runtime()) as runner:
                gateway = Gateway(runner, server)
                assert await gateway.status(token(server)) == 200
                server.answer = BAD["silent"]
                while await gateway.status(forged(server, 1)) != 503:
                    await asyncio.sleep(0.005)
                assert await gateway.status(token(server)) == 200

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_keys, "COOLDOWN", 0.001)
        asyncio.run(main())


LIES: dict[str, Callable[[WebServer], dict[str, str]]] = {
    "the name of another issuer": lambda one: {"issuer": "https://issuer.example", "jwks_uri": f"{one.address}/keys"},
    "keys behind a redirect": lambda one: {"issuer": one.address, "jwks_uri": f"{one.address}/moved"},
    "keys in a file": lambda one: {"issuer": one.address, "jwks_uri": "file:///etc/passwd"},
    "keys without TLS": lambda one: {"issuer": one.address, "jwks_uri": "http://192.0.2.1/keys"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_where_the_keys_are_is_not_believed(lie: str) -> None:
    async def main() -> None:
        async with web_server(honest(OLD)) as server:

            def lies(asked: Asked) -> bytes | None:
                if asked.path == "/moved":
                    return status(301, "location: /keys")
                return ok(json.dumps(LIES[lie](server)).encode()) if "known" in asked.path else honest(OLD)(asked)

            server.answer = lies
            one = Issuer.model_validate({"issuer": server.address})
            async with Runner([JwtAuth(issuers=[one])], Runtime()) as runner:
                assert await Gateway(runner, server).status(token(server)) == 503
                assert "/keys" not in paths(server)

    asyncio.run(main())
