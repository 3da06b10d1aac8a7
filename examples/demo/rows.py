"""The requests of the demo, each with what it should get and why."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from gateway import Answer, Gateway
from issuer import Issuer
from strangers import Strangers
from upstream import Upstream

_START = 0.1  # seconds; no worker starts faster


@dataclass(frozen=True)
class Row:
    request: str
    got: str
    why: str
    good: bool


class Rows:
    def __init__(self, gateway: Gateway, issuer: Issuer, upstream: Upstream) -> None:
        self._gateway = gateway
        self._issuer = issuer
        self._upstream = upstream

    def all(self) -> list[Row]:
        parts = (self._tokens, self._headers, self._paths, self._limit, self._others, self._crash)
        return [row for part in parts for row in part()]

    def _tokens(self) -> Iterator[Row]:
        none = self._gateway.get("/orders/1")
        yield _status("no token", none, 401, "jwt-auth wants one")
        good = none.headers.get("x-request-id", "") in none.body.decode() and "x-request-id" in none.headers
        yield Row("  its request id", none.headers.get("x-request-id", "-")[:8] + "...", "on a refusal too", good)
        forged = Issuer().token("alice")
        yield _status("a forged token", self._as(forged), 401, "signed by another key")

    def _headers(self) -> Iterator[Row]:
        spoofed = {"x_user_email": "boss@example.com", "x_consumer_username": "boss", "x_old_name": "kept"}
        answer = self._as(self._issuer.token("alice"), **spoofed)
        yield _status("a good token", answer, 200, "passed on to the service")
        seen: dict[str, str] = json.loads(answer.body)["headers"] if answer.status == 200 else {}
        for request, name, want, why in (
            ("  claim email for upstream", "x-user-email", "alice@example.com", "not what downstream claimed"),
            ("  consumer for upstream", "x-consumer-username", "alice", "not what downstream claimed"),
            ("  a header added", "x-gateway", "outrider", "request-transform, add"),
            ("  a header renamed", "x-new-name", "kept", "request-transform, rename"),
        ):
            yield Row(request, str(seen.get(name)), why, seen.get(name) == want)
        hidden = "x-powered-by" not in answer.headers
        yield Row("  x-powered-by", "gone" if hidden else "there", "response-transform, remove", hidden)

    def _paths(self) -> Iterator[Row]:
        for path in ("//orders/1", "/%6frders/1", "/open/../orders/1", "/open/%2e%2e/orders/1"):
            yield _status(path, self._gateway.get(path), 401, "the same protected route")
        path = "/open/..%2forders/1"
        yield _status(path, self._gateway.get(path), 400, "an escaped slash is refused")

    def _limit(self) -> Iterator[Row]:
        token = self._issuer.token("alice")
        answers = [self._as(token) for _ in range(5)]
        statuses = [answer.status for answer in answers]
        yield Row(
            "5 more, limit 5", " ".join(map(str, statuses)), "one was used above", statuses == [200] * 4 + [429]
        )
        wait = answers[-1].headers.get("retry-after", "-")
        yield Row("  retry-after", f"{wait} s", "until the window ends", wait.isdecimal())
        served = {answer.headers.get("x-served-by") for answer in answers}
        more = list(self._until_both_decided(token, served))
        good = len(served) == 2 and all(status == 429 for status in more)
        yield Row("  decided by", f"{len(served)} workers", "one counter over both", good)

    def _until_both_decided(self, token: str, served: set[str | None]) -> Iterator[int]:
        """Further answers, until both workers gave one. Kong goes on with a connection that it has."""
        for _ in range(500):
            if len(served) == 2:
                return
            answer = self._as(token)
            served.add(answer.headers.get("x-served-by"))
            yield answer.status

    def _others(self) -> Iterator[Row]:
        yield _status("no key", self._gateway.get("/partners"), 401, "key-auth wants one")
        yield _status("a good key", self._gateway.get("/partners", x_api_key="partner-key"), 200, "passed on")
        yield _status("open route", self._gateway.get("/open/tea"), 200, "for everybody")
        yield _status("open route, coffee", self._gateway.get("/open/coffee"), 418, "a plugin of our own, ten lines")
        yield _status("no such route", self._gateway.get("/nowhere"), 404, "refused by default")

    def _crash(self) -> Iterator[Row]:
        """Both workers killed while strangers knock: not one request may get through."""
        before = self._upstream.received
        with Strangers(self._gateway) as strangers:
            killed = self._gateway.kill_workers()
            recovered = self._wait_for_others(killed)
        yield self._killed(strangers, self._upstream.received - before)
        yield Row("  started again", "yes" if recovered else "no", "by the supervisor", recovered)
        yield _status("a good key", self._gateway.get("/partners", x_api_key="partner-key"), 200, "as before")

    def _killed(self, strangers: Strangers, through: int) -> Row:
        passed = sum(status < 400 for status, _ in strangers.answers)
        undecided = sum(status >= 500 for status, _ in strangers.answers)
        longest = max(seconds for _, seconds in strangers.answers)
        # Without a refusal that is no plugin's, or a wait, the kill had no effect, and the row says nothing.
        if self._gateway.is_kong:
            effect, why = f"waited {longest:.1f} s", "Kong asks until somebody can decide"
            had_effect = undecided > 0 or longest > _START
        else:
            effect, why = f"{undecided} undecided", "refused while nobody can decide"
            had_effect = undecided > 0
        got = f"{through} of {len(strangers.answers)} let through, {effect}"
        return Row("both workers killed under load", got, why, had_effect and not through and not passed)

    def _wait_for_others(self, killed: list[int]) -> bool:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            now = set(self._gateway.workers())
            if len(now) == len(killed) and now.isdisjoint(killed) and self._gateway.is_ready():
                return True
            time.sleep(0.05)
        return False

    def _as(self, token: str, **headers: str) -> Answer:
        return self._gateway.get("/orders/1", authorization=f"Bearer {token}", **headers)


def _status(request: str, answer: Answer, want: int, why: str) -> Row:
    return Row(request, str(answer.status), why, answer.status == want)
