"""Plugins that authenticate, each among so many consumers, and the requests that they are asked about."""

import json
import random
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import SecretStr

from harness.bad_tokens import bad_signatures
from harness.passwords import PASSWORD, STORED
from harness.web_server import Asked, ok, web_server
from outrider import Auth, Consumer, Consumers, Credential, Identity, Request
from outrider.headers import Headers
from outrider_plugins import jwt_verifier, key_auth
from outrider_plugins.basic_auth import BasicAuth
from outrider_plugins.introspection_auth import IntrospectionAuth
from outrider_plugins.jwt_auth import JwtAuth
from outrider_plugins.jwt_issuer import Issuer
from outrider_plugins.key_auth import KeyAuth
from signing import Signer, jwks

SAMPLE = 1_000
"""So many different credentials are measured, or those of all consumers where they are fewer; drawn by lot."""
BEYOND = max(jwt_verifier.SIZE, key_auth.SIZE) + 1_000
"""So many in turn that a plugin which remembers those that came last remembers none of them."""
ISSUER = "https://issuer.example"
_USUAL = {"user-agent": ["curl/8.5.0"], "accept": ["*/*"], "x-forwarded-proto": ["https"]}


@dataclass(frozen=True)
class Claim:
    """What is measured, one of `MAKERS`, and among how many consumers."""

    kind: str
    consumers: int
    good: bool = True
    """Whether the plugin lets these requests in."""

    def drawn(self, many: int = SAMPLE) -> list[int]:
        """The numbers of some consumers."""
        return random.Random(1).sample(range(self.consumers), min(many, self.consumers))


@dataclass(frozen=True)
class Claimant:
    """A plugin, what it starts with, and the requests that it is asked about."""

    plugin: Auth
    consumers: Consumers
    requests: list[Request]

    def calls(self) -> tuple[Callable[[Any], object], list[Any]]:
        """What is timed, and what it is called with."""
        return self.plugin.authenticate, self.requests


class _LookUp(KeyAuth):
    def look_up(self, key: str) -> Identity | None:
        return self._identity(sha256(key.encode()).digest())


class _LookUps(Claimant):
    """Of key-auth only what it does with a key that it has found."""

    def calls(self) -> tuple[Callable[[Any], object], list[Any]]:
        assert isinstance(self.plugin, _LookUp)
        return self.plugin.look_up, [request.headers["x-api-key"] for request in self.requests]


def _keys(made: type[Claimant], plugin: type[KeyAuth], many: int = SAMPLE) -> "Maker":
    """So many keys."""

    async def make(_: AsyncExitStack, claim: Claim) -> Claimant:
        return made(plugin(), _with_keys(claim), _in_turn("x-api-key", map(_key, claim.drawn(many)), many))

    return make


async def _passwords(_: AsyncExitStack, claim: Claim) -> Claimant:
    credentials = (b64encode(f"user-{number}:{PASSWORD}".encode()).decode() for number in claim.drawn())
    return Claimant(
        BasicAuth(), _with_passwords(claim), _in_turn("authorization", map("Basic {}".format, credentials))
    )


async def _introspected(stack: AsyncExitStack, claim: Claim) -> Claimant:
    def answer(asked: Asked) -> bytes:
        return ok(json.dumps({"active": True, "sub": asked.form["token"]}).encode())

    server = await stack.enter_async_context(web_server(answer))
    plugin = IntrospectionAuth(
        endpoint=server.address, client_id="bench", client_secret=SecretStr("x"), remember=3600
    )
    tokens = (f"Bearer consumer-{number}" for number in claim.drawn())
    return Claimant(plugin, Consumers(_everybody(claim)), _in_turn("authorization", tokens))


def _tokens(algorithm: str, many: int) -> "Maker":
    """Good tokens of so many consumers; beyond those that are remembered, each is verified."""

    async def make(stack: AsyncExitStack, claim: Claim) -> Claimant:
        signer = Signer(algorithm, "bench")
        drawn = cycle(claim.drawn(many))
        return _jwt(stack, claim, signer, (_token(signer, next(drawn), each) for each in range(many)), many)

    return make


def _bad_tokens(algorithm: str) -> "Maker":
    """Each has a bad signature of its own."""

    async def make(stack: AsyncExitStack, claim: Claim) -> Claimant:
        signer = Signer(algorithm, "bench")
        return _jwt(stack, claim, signer, bad_signatures(_token(signer, 0, 0)), SAMPLE)

    return make


def _jwt(stack: AsyncExitStack, claim: Claim, signer: Signer, tokens: Iterable[str], many: int) -> Claimant:
    file = Path(stack.enter_context(TemporaryDirectory(prefix="bench-"))) / "jwks.json"
    file.write_bytes(jwks(signer.row(use="sig", alg=signer.algorithm)))
    plugin = JwtAuth(issuers=[Issuer.model_validate({"issuer": ISSUER, "jwks": str(file)})])
    requests = _in_turn("authorization", map("Bearer {}".format, islice(tokens, many)), many)
    return Claimant(plugin, Consumers(_everybody(claim)), requests)


def _token(signer: Signer, consumer: int, number: int) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": f"consumer-{consumer}", "iat": now, "exp": now + 7200, "jti": f"token-{number}"}
    return signer.token(claims)


def _in_turn(header: str, values: Iterable[str], many: int = SAMPLE) -> list[Request]:
    """As many requests for few consumers as for many: what differs is not how much fits a processor's cache."""
    return [_request(header, value) for value in islice(cycle(list(values)), many)]


def _request(header: str, value: str) -> Request:
    # Each has a text of its own, as what comes from a gateway has.
    return Request(headers=Headers.received({**_USUAL, header: ["".join([value[:1], value[1:]])]}))


def _everybody(claim: Claim) -> list[Consumer]:
    return [Consumer(f"id-{number}", f"consumer-{number}") for number in range(claim.consumers)]


def _with_keys(claim: Claim) -> Consumers:
    return _owning(claim, "keyauth_credentials", lambda number: {"key": SecretStr(_key(number))})


def _with_passwords(claim: Claim) -> Consumers:
    stored = STORED["argon2id"]
    # One hash for all, or to make them would take longer than anything else; but each has its text for itself.
    return _owning(
        claim,
        "basicauth_credentials",
        lambda number: {"username": f"user-{number}", "password": SecretStr("".join([stored[:1], stored[1:]]))},
    )


def _owning(claim: Claim, kind: str, fields: Callable[[int], Mapping[str, Any]]) -> Consumers:
    everybody = _everybody(claim)
    return Consumers(everybody, {kind: list(_rows(everybody, fields))})


def _rows(everybody: list[Consumer], fields: Callable[[int], Mapping[str, Any]]) -> Iterator[Credential]:
    for number, owner in enumerate(everybody):
        yield Credential(owner, f"credential-{number}", fields(number))


def _key(number: int) -> str:
    return f"the key of number {number}"


Maker = Callable[[AsyncExitStack, Claim], Awaitable[Claimant]]
MAKERS: Mapping[str, Maker] = {
    "jwt-auth, a token that is remembered": _tokens("RS256", SAMPLE),
    "introspection-auth, a token that is remembered": _introspected,
    "basic-auth, a password that is remembered": _passwords,
    "key-auth": _keys(Claimant, KeyAuth),
    "key-auth, the look-up alone": _keys(_LookUps, _LookUp),
    "key-auth, the look-up alone of a key that did not come lately": _keys(_LookUps, _LookUp, BEYOND),
    "jwt-auth, a token for the first time, RS256": _tokens("RS256", BEYOND),
    "jwt-auth, a token for the first time, ES256": _tokens("ES256", BEYOND),
    "jwt-auth, a bad signature, RS256": _bad_tokens("RS256"),
    "jwt-auth, a bad signature, ES256": _bad_tokens("ES256"),
}
