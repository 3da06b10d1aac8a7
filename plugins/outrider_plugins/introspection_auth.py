"""The plugin introspection-auth: asks the issuer of a token whether it is good (RFC 7662)."""

import asyncio
import re
import time
from collections.abc import Awaitable
from hashlib import sha256
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from outrider import Identity, Refusal, Runtime
from outrider.auth import Outcome
from outrider_plugins.bearer_auth import BearerAuth
from outrider_plugins.circuit_breaker import CircuitBreaker
from outrider_plugins.claims import Claims
from outrider_plugins.http_client import HttpClient
from outrider_plugins.introspection_client import LIMIT, Active, CantSayError, ClientAuth, IntrospectionClient
from outrider_plugins.jws import TokenError
from outrider_plugins.jwt_token import check_audience, check_times
from outrider_plugins.remembered import Remembered
from outrider_plugins.trusted_url import check_url

GOOD = 4 * 1024 * 1024
"""How much of what the server said of good tokens is remembered, in bytes of its answers."""
BAD = 5_000
"""How many bad tokens are remembered."""
ASKED = 64
"""How many tokens are asked about at once, or wait for that; further ones get 503."""
LONGEST = 16 * 1024
"""The longest token that is asked about, in characters."""

Text = Annotated[str, Field(min_length=1)]
clock = time.time
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1


class IntrospectionAuth(BearerAuth):
    """Lets requests in whose token the authorization server calls active.

    A token that was good is remembered for `remember` seconds, never beyond its `exp`: so long a withdrawn one is
    still let in. Requests with the same token wait for one question. Where the server can't be asked, tokens that are
    not remembered get 503.
    """

    priority: ClassVar[int] = 1400

    endpoint: Annotated[str, AfterValidator(check_url)]
    """The address of the introspection endpoint: https, or http to loopback."""
    client_id: Text
    """How the server knows this gateway."""
    client_secret: Annotated[SecretStr, Field(min_length=1)]
    """The secret that proves it."""
    client_auth: ClientAuth = "client_secret_basic"
    """How the secret is sent: in a header (client_secret_basic), or in the form (client_secret_post)."""
    issuer: Text | None = None
    """The value that `iss` must have, where the server serves several issuers."""
    audiences: list[Text] = []
    """One of these must be in the claim `aud`. Without any, `aud` is not looked at: the server knows who asks."""
    remember: Annotated[int, Field(ge=0, le=3600)] = 60
    """How long a good token is remembered, in seconds; 0 asks each time."""
    remember_bad: Annotated[int, Field(ge=0, le=300)] = 10
    """How long a token is remembered that is not good, in seconds."""
    endpoint_timeout: Annotated[int, Field(ge=10, le=60_000)] = 500
    """How long the server may take to answer, in milliseconds; less than `timeout`."""
    break_after: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many answers in a row must fail before the server is spared."""
    break_for: Annotated[int, Field(ge=1, le=600)] = 10
    """How long it is spared then before one more try, in seconds."""

    @model_validator(mode="after")
    def _answers_in_time(self) -> Self:
        if self.endpoint_timeout >= self.timeout:
            raise ValueError(
                f"endpoint_timeout is {self.endpoint_timeout} ms, and timeout {self.timeout} ms: make timeout longer"
            )
        return self

    async def start(self, runtime: Runtime, /) -> None:
        await super().start(runtime)
        self._good: Remembered[Identity | Refusal] = Remembered(GOOD, clock)
        self._bad: Remembered[bool] = Remembered(BAD, clock)
        self._asking: dict[bytes, asyncio.Task[Outcome]] = {}
        client = self.client_id, self.client_secret.get_secret_value()
        breaker = CircuitBreaker(self.break_after, self.break_for)
        http = await HttpClient.open(timeout=self.endpoint_timeout / 1000, limit=LIMIT)
        # Who waits for a connection and then for the answer must not wait longer than a hook may.
        patience = (self.timeout - self.endpoint_timeout) / 2000
        self._server = IntrospectionClient(http, self.endpoint, client, self.client_auth, breaker, patience)

    async def stop(self) -> None:
        if asking := list(self._asking.values()):
            await asyncio.wait(asking, timeout=self.timeout / 1000)
        await self._server.close()

    def identify(self, token: str) -> Outcome | Awaitable[Outcome]:
        if len(token) > LONGEST or not _TOKEN.fullmatch(token):
            return self.invalid()
        digest = sha256(token.encode()).digest()
        known = self._good.get(digest)
        if known is not None:
            return known
        if self._bad.get(digest):
            return self.invalid()
        task = self._asking.get(digest)
        if task is None:
            if len(self._asking) >= ASKED:
                return self.unavailable()
            task = self._asking[digest] = asyncio.create_task(self._ask(digest, token))
            task.add_done_callback(lambda _: self._asking.pop(digest))
        # Who leaves must not take the answer from those who wait for it too.
        return asyncio.shield(task)

    async def _ask(self, digest: bytes, token: str) -> Outcome:
        try:
            active = await self._server.ask(token)
            if active is not None:
                return self._judge(digest, active)
            refusal = self.refused(TokenError("not active"))
        except CantSayError:
            return self.unavailable()
        except TokenError as error:
            refusal = self.refused(error)
        self._bad.put(digest, True, clock() + self.remember_bad)  # noqa: FBT003 - what is remembered
        return refusal

    def _judge(self, digest: bytes, active: Active) -> Identity | Refusal:
        """What an active token proves. Raises `TokenError` if it is not for us, or not now."""
        now, claims = clock(), active.claims
        # When it was issued is not for us to judge: the server has called it active.
        times = {name: claims[name] for name in ("exp", "nbf") if name in claims}
        end = check_times(times, now, leeway=self.leeway, require_exp=False)
        if self.issuer is not None and claims.get("iss") != self.issuer:
            raise TokenError("another issuer")
        if self.audiences:
            check_audience(claims, self.audiences)
        try:
            outcome = self.permitted(_credential(claims), claims)
        except (ValueError, RecursionError) as error:
            raise TokenError("a claim that can't stand in a header") from error
        self._good.put(digest, outcome, min(now + self.remember, end or now + self.remember), active.size)
        return outcome


def _credential(claims: Claims) -> str:
    """What the token is called where it must not be shown: whose it is, as far as the server says.

    A client can choose to be called like somebody, so all but `sub` say what kind of name they are.
    """
    named = {name: claims[name] for name in ("sub", "username", "client_id", "jti") if name in claims}
    if any(not isinstance(one, str) or not one for one in named.values()):
        raise TokenError("sub, username, client_id and jti must be text")
    kind, name = next(iter(named.items()), ("sub", "introspected"))
    return name if kind == "sub" else f"{kind}:{name}"
