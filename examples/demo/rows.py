"""The requests of the demo, each with what it should get and why."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from gateway import Answer, Gateway
from issuer import Issuer
from upstream import Upstream


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
        yield _status(
            "/open/..%2forders/1", self._gateway.get("/open/..%2forders/1"), 400, "an escaped slash is refused"
        )

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
        yield Row("  decided by", f"{len(served)} workers", "one counter over both", len(served) == 2)

    def _others(self) -> Iterator[Row]:
        yield _status("no key", self._gateway.get("/partners"), 401, "key-auth wants one")
        yield _status("a good key", self._gateway.get("/partners", x_api_key="partner-key"), 200, "passed on")
        yield _status("open route", self._gateway.get("/open/tea"), 200, "for everybody")
        yield _status("open route, coffee", self._gateway.get("/open/coffee"), 418, "a plugin of our own, ten lines")
        yield _status("no such route", self._gateway.get("/nowhere"), 404, "refused by default")

    def _crash(self) -> Iterator[Row]:
        """Both workers killed while strangers knock: not one request may get through."""
        before = self._upstream.received
        statuses: list[int] = []
        stop = threading.Event()
        strangers = [threading.Thread(target=self._knock, args=(stop, statuses)) for _ in range(4)]
        for stranger in strangers:
            stranger.start()
        killed = self._gateway.kill_workers()
        recovered = self._wait_for_others(killed)
        stop.set()
        for stranger in strangers:
            stranger.join()
        through = self._upstream.received - before
        passed = sum(status < 400 for status in statuses)
        undecided = sum(status >= 500 for status in statuses)
        got = f"{through} of {len(statuses)} let through, {undecided} undecided"
        # Without an answer that is no plugin's 401 the kill had no effect, and the row says nothing.
        good = bool(undecided) and not through and not passed
        yield Row("both workers killed under load", got, "refused while nobody can decide", good)
        yield Row("  started again", "yes" if recovered else "no", "by the supervisor", recovered)
        yield _status("a good key", self._gateway.get("/partners", x_api_key="partner-key"), 200, "as before")

    def _knock(self, stop: threading.Event, statuses: list[int]) -> None:
        while not stop.is_set():
            statuses.append(self._gateway.get("/partners").status)

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
