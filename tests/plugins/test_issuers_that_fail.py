"""Issuers that are down, slow, huge, rotating, lying and redirecting, each a real server on this machine."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from harness.tokens import in_a_day
from outrider import Request, Runtime
from outrider.testing import Runner
from outrider_plugins import http_client, jwt_auth, remote_keys
from outrider_plugins.jwt_auth import JwtAuth
from outrider_plugins.jwt_issuer import Issuer
from signing import Signer, jwks

OLD, NEW, EVIL = Signer("ES256", "old"), Signer("ES256", "new", number=1), Signer("ES256", "old", number=2)
Answer = Callable[[str], bytes | None]
"""What a server says to a path; None is nothing at all."""


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


class Server:
    """An issuer whose answers a test can change while it runs."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.keys: list[Signer] = [OLD]
        self.answer: Answer = self.good
        self.address = ""
        self.held = asyncio.Event()
        self.held.set()

    def good(self, path: str) -> bytes:
        """What an honest issuer says."""
        if path.endswith("openid-configuration"):
            return ok(json.dumps({"issuer": self.address, "jwks_uri": f"{self.address}/keys"}).encode())
        return ok(jwks(*(signer.row() for signer in self.keys)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ")[1].decode()
        self.asked.append(path)
        await self.held.wait()
        answer = self.answer(path)
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()


@asynccontextmanager
async def issuer() -> AsyncGenerator[Server]:
    server = Server()
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield server


def token(server: Server, signer: Signer = OLD, **claims: Any) -> str:
    return signer.token({"iss": server.address, "sub": "alice", "exp": in_a_day(), **claims})


class Gateway:
    """A worker with jwt-auth that believes one server."""

    def __init__(self, runner: Runner, server: Server) -> None:
        self._runner, self.server = runner, server

    async def status(self, text: str) -> int:
        answer = await self._runner.send(Request(headers={"authorization": f"Bearer {text}"}))
        assert (answer.upstream is not None) == (answer.status == 200)
        return answer.status


def play(story: Callable[[Gateway], Awaitable[None]], answer: Answer | None = None, **fields: Any) -> None:
    """Starts a server and a worker, which has asked for the keys once when the story begins."""

    async def main() -> None:
        async with issuer() as server:
            server.answer = answer or server.good
            where = fields.pop("jwks", None)
            one = {"issuer": server.address, "jwks": where and server.address + where, **fields}
            async with Runner([JwtAuth(issuers=[Issuer.model_validate(one)])], Runtime()) as runner:
                await story(Gateway(runner, server))

    asyncio.run(main())


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start need not wait long for a server that never answers; what it takes to ask one at all is there before."""
    http_client.tls()
    monkeypatch.setattr(jwt_auth, "PATIENCE", 0.2)


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
        assert gateway.server.asked == expected

    play(story, jwks=where)


BAD: dict[str, Answer] = {
    "down": lambda _: b"",
    "silent": lambda _: None,
    "failing": lambda _: b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n",
    "redirecting": lambda _: b"HTTP/1.1 302 Found\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\n\r\n",
    "huge": lambda _: b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 600_000 + jwks(OLD.row()),
    "half": lambda _: ok(jwks(OLD.row()))[:-5],
    "talking of something else": lambda _: ok(b"<html>"),
    "without keys": lambda _: ok(b'{"keys": []}'),
    "nested": lambda _: ok(b"[" * 200_000),
    "with too many keys": lambda _: ok(jwks(*(OLD.row(kid=str(number)) for number in range(101)))),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("where", [None, "/keys"])
def test_while_an_issuer_gives_no_keys_its_tokens_get_503(kind: str, where: str | None) -> None:
    async def story(gateway: Gateway) -> None:
        assert gateway.server.asked
        assert await gateway.status(token(gateway.server)) == 503
        assert await gateway.status(token(gateway.server, EVIL)) == 503

    play(story, BAD[kind], jwks=where)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", sorted(BAD.keys() - {"silent"}))
def test_an_issuer_that_was_good_and_fails_is_believed_on_and_once_it_is_good_again_its_new_keys_are(
    kind: str,
) -> None:
    async def story(gateway: Gateway) -> None:
        assert await gateway.status(token(gateway.server)) == 200
        gateway.server.answer = BAD[kind]
        assert await gateway.status(token(gateway.server, NEW)) == 401
        assert await gateway.status(token(gateway.server, sub="bob")) == 200
        gateway.server.keys, gateway.server.answer = [OLD, NEW], gateway.server.good
        await until(gateway, token(gateway.server, NEW), 200)

    play(story)


@pytest.mark.usefixtures("impatient")
def test_keys_of_an_issuer_that_stays_away_are_dropped_after_their_time() -> None:
    async def story(gateway: Gateway) -> None:
        remembered = token(gateway.server)
        assert await gateway.status(remembered) == 200
        gateway.server.answer = BAD["failing"]
        await until(gateway, token(gateway.server, NEW), 503)
        assert await gateway.status(remembered) == 503

    play(story, keep_keys=0)


def test_the_first_token_of_a_new_key_waits_until_the_key_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_keys, "COOLDOWN", 0.0)

    async def story(gateway: Gateway) -> None:
        assert await gateway.status(token(gateway.server)) == 200
        gateway.server.keys = [NEW]
        assert await gateway.status(token(gateway.server, NEW)) == 200
        assert await gateway.status(token(gateway.server)) == 401

    play(story)


def test_a_flood_of_unknown_keys_asks_once_while_good_tokens_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_keys, "COOLDOWN", 0.0)

    async def story(gateway: Gateway) -> None:
        server = gateway.server
        assert await gateway.status(token(server)) == 200
        server.held.clear()
        server.asked.clear()
        monkeypatch.setattr(remote_keys, "COOLDOWN", 60.0)
        unknown = [asyncio.create_task(gateway.status(token(server, EVIL, n=n))) for n in range(50)]
        unknown += [asyncio.create_task(gateway.status(forged(server, number))) for number in range(50)]
        while not server.asked:
            assert await gateway.status(token(server)) == 200
            await asyncio.sleep(0)
        server.held.set()
        assert set(await asyncio.gather(*unknown)) == {401}
        assert await gateway.status(forged(server, 1000)) == 401
        assert server.asked == ["/.well-known/openid-configuration", "/keys"]

    play(story)


def forged(server: Server, number: int) -> str:
    return Signer("ES256", f"unknown-{number}").token({"iss": server.address, "exp": in_a_day()})


def test_a_token_of_an_unknown_key_waits_no_longer_than_half_of_the_time_it_has() -> None:
    async def main() -> None:
        async with issuer() as server:
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


LIES: dict[str, Callable[[Server], dict[str, str]]] = {
    "the name of another issuer": lambda one: {"issuer": "https://issuer.example", "jwks_uri": f"{one.address}/keys"},
    "keys behind a redirect": lambda one: {"issuer": one.address, "jwks_uri": f"{one.address}/moved"},
    "keys in a file": lambda one: {"issuer": one.address, "jwks_uri": "file:///etc/passwd"},
    "keys without TLS": lambda one: {"issuer": one.address, "jwks_uri": "http://192.0.2.1/keys"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_about_where_the_keys_are_is_not_believed(lie: str) -> None:
    async def main() -> None:
        async with issuer() as server:

            def lies(path: str) -> bytes:
                if path == "/moved":
                    return b"HTTP/1.1 301 Moved\r\nlocation: /keys\r\ncontent-length: 0\r\n\r\n"
                return ok(json.dumps(LIES[lie](server)).encode()) if "known" in path else server.good(path)

            server.answer = lies
            one = Issuer.model_validate({"issuer": server.address})
            async with Runner([JwtAuth(issuers=[one])], Runtime()) as runner:
                assert await Gateway(runner, server).status(token(server)) == 503
                assert "/keys" not in server.asked

    asyncio.run(main())
