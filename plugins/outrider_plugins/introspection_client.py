"""Asks an authorization server about tokens (RFC 7662)."""

import asyncio
import logging
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import quote_plus

from outrider_plugins.circuit_breaker import CircuitBreaker
from outrider_plugins.http_client import CONNECTIONS, Answer, HttpClient, HttpError
from outrider_plugins.strict_json import json_object
from outrider_plugins.trusted_url import public

_log = logging.getLogger("outrider.plugin.introspection-auth")

LIMIT = 64 * 1024
"""The largest answer that is read, in bytes."""

ClientAuth = Literal["client_secret_basic", "client_secret_post"]


class Active(NamedTuple):
    """What a server says of an active token, and how many bytes it took to say it."""

    claims: Mapping[str, Any]
    size: int


class CantSayError(Exception):
    """The server can't say now whether a token is good."""


class IntrospectionClient:
    """One server, and the client that it knows us as.

    `patience` is how long a question waits for one of our own connections, in seconds: no fault of the server's.
    """

    def __init__(
        self,
        http: HttpClient,
        endpoint: str,
        client: tuple[str, str],
        auth: ClientAuth,
        breaker: CircuitBreaker,
        patience: float,
    ) -> None:
        self._endpoint, self._breaker = endpoint, breaker
        self._form, self._headers = _authenticated(*client, auth)
        self._http = http
        self._patience, self._free = patience, asyncio.Semaphore(CONNECTIONS)
        self._complaint = ""
        self._told = False

    async def ask(self, token: str) -> Active | None:
        """What the server says of an active token; None for one that is not active. Raises `CantSayError`."""
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            raise CantSayError from None
        try:
            return await self._ask(token)
        finally:
            self._free.release()

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.close()

    async def _ask(self, token: str) -> Active | None:
        if not self._breaker.allows():
            raise CantSayError
        form = {"token": token, "token_type_hint": "access_token", **self._form}
        try:
            answer = await self._http.post(self._endpoint, form, self._headers)
        except HttpError as error:
            self._failed(str(error))
            raise CantSayError from None
        return self._read(answer)

    def _read(self, answer: Answer) -> Active | None:
        if answer.status == 400:
            self._succeeded()
            self._complain_of_one(answer)
            raise CantSayError
        try:
            document = json_object(answer.body) if answer.status == 200 else {}
        except ValueError:
            document = {}
        active = document.get("active")
        if not isinstance(active, bool):
            self._failed(_complaint(answer.status))
            raise CantSayError
        self._succeeded()
        return Active(document, len(answer.body)) if active else None

    def _complain_of_one(self, answer: Answer) -> None:
        """The server makes nothing of this token: who sends such must not make it look broken, nor fill the log."""
        if not self._told:
            self._told = True
            _log.warning("%s answers with status %d to a token: it gets 503", public(self._endpoint), answer.status)

    def _failed(self, complaint: str) -> None:
        self._breaker.failed()
        if complaint != self._complaint:
            self._complaint = complaint
            _log.warning("%s %s: tokens that are not remembered get 503", public(self._endpoint), complaint)

    def _succeeded(self) -> None:
        self._breaker.succeeded()
        if self._complaint:
            self._complaint = ""
            _log.info("%s answers again", public(self._endpoint))


def _authenticated(client_id: str, secret: str, auth: ClientAuth) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """How we prove who asks (RFC 6749, section 2.3.1): fields of the form, and headers."""
    if auth == "client_secret_post":
        return {"client_id": client_id, "client_secret": secret}, {}
    credentials = b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()
    return {}, {"authorization": f"Basic {credentials}"}


def _complaint(status: int) -> str:
    if status == 200:
        return "answers with no JSON object that says whether the token is active"
    remedy = " (does it know client_id and client_secret?)" if status in (401, 403) else ""
    return f"answers with status {status}{remedy}"
