"""Thousands of different bad tokens: nothing grows, and good ones stay remembered."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Iterable, Sized
from itertools import islice
from types import FunctionType, ModuleType
from typing import Any

import pytest
from pydantic import SecretStr

from harness.bad_tokens import KINDS
from harness.web_server import ok, web_server
from outrider import Auth, Identity, Refusal, Request, Runtime
from outrider.auth import Outcome
from outrider_plugins import introspection_auth, jwt_verifier
from outrider_plugins.introspection_auth import IntrospectionAuth
from outrider_plugins.introspection_client import Active, IntrospectionClient
from outrider_plugins.jws import Signed
from outrider_plugins.jwt_auth import JwtAuth
from outrider_plugins.jwt_issuer import Issuer
from signing import Signer, jwks

ISSUER = "https://issuer.example"
SIGNER = Signer("RS256")
FLOOD, TRACED = 2_000, 500
BOUND = 50
"""How many tokens a plugin may remember here."""
GROWTH = 60_000
"""In bytes: the last 50 that are remembered take less than half of it, and the digests of 500 more than all of it."""


@pytest.fixture(scope="module")
def good() -> list[str]:
    end = int(time.time()) + 86_400
    return [SIGNER.token({"iss": ISSUER, "sub": f"user-{number}", "exp": end}) for number in range(20)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwt_verifier, "SIZE", BOUND)
    monkeypatch.setattr(introspection_auth, "BAD", BOUND)


async def ask(plugin: Auth, token: str) -> Outcome:
    request = Request()
    # Only here: what a request is made with is kept, as a secret that nothing may tell.
    request.headers["authorization"] = f"Bearer {token}"
    answer = plugin.authenticate(request)
    return await answer if isinstance(answer, Awaitable) else answer


async def come(plugin: Auth, tokens: Iterable[str], expected: type) -> None:
    for token in tokens:
        assert isinstance(await ask(plugin, token), expected)


async def flood(plugin: Auth, kind: str, good: str) -> int:
    """How many bytes the last of 2,000 bad tokens leave behind; to look at all of them takes too long."""
    bad = KINDS[kind](good)
    await come(plugin, islice(bad, FLOOD - TRACED), Refusal)
    tracemalloc.start()
    await come(plugin, islice(bad, TRACED), Refusal)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return grown


def largest(plugin: Auth) -> int:
    """The size of the largest container that the plugin holds."""
    met: dict[int, object] = {}
    ahead: list[object] = [plugin]
    while ahead:
        one = ahead.pop()
        # What everything leads to is nobody's own.
        if id(one) not in met and not isinstance(one, type | ModuleType | FunctionType | asyncio.AbstractEventLoop):
            met[id(one)] = one
            ahead += gc.get_referents(one)
    return max(len(one) for one in met.values() if isinstance(one, Sized) and not isinstance(one, str | bytes))


@pytest.mark.parametrize("kind", KINDS)
def test_bad_tokens_leave_nothing_in_jwt_auth_and_good_ones_are_not_verified_again(
    kind: str, good: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[Signed] = []
    verify = Signed.verify

    def counting(signed: Signed, keys: Any) -> None:
        verified.append(signed)
        verify(signed, keys)

    async def main() -> None:
        async with web_server(lambda _: ok(jwks(SIGNER.row(use="sig")))) as server:
            keys = {"issuer": ISSUER, "jwks": f"{server.address}/jwks"}
            plugin, runtime = JwtAuth(issuers=[Issuer.model_validate(keys)]), Runtime()
            await plugin.start(runtime)
            await come(plugin, good, Identity)
            grown = await flood(plugin, kind, good[0])
            monkeypatch.setattr(Signed, "verify", counting)
            await come(plugin, good, Identity)
            assert (verified, len(server.asked)) == ([], 1)
            assert grown < GROWTH
            assert len(good) <= largest(plugin) <= BOUND
            await runtime.stop()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["bad signatures", "garbage"])
def test_bad_tokens_stay_in_introspection_auths_bounds_and_good_ones_are_not_asked_about_again(
    kind: str, good: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def answers(_: IntrospectionClient, token: str) -> Active | None:
        if token in good:
            asked.append(token)
        return Active({"sub": "alice"}, 100) if token in good else None

    async def main() -> None:
        monkeypatch.setattr(IntrospectionClient, "ask", answers)
        plugin = IntrospectionAuth(
            endpoint="https://issuer.example/ask", client_id="gateway", client_secret=SecretStr("s")
        )
        await plugin.start(Runtime())
        await come(plugin, good, Identity)
        grown = await flood(plugin, kind, good[0])
        await come(plugin, good, Identity)
        assert asked == good
        assert grown < GROWTH
        assert len(good) <= largest(plugin) <= BOUND
        await plugin.stop()

    asyncio.run(main())
