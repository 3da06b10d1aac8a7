"""How fast the state machine of ext_proc decides."""

import time
from collections.abc import Callable, Iterable
from typing import ClassVar

from outrider import Plugin, Request, Route
from outrider.auth import IDENTITY_HEADERS
from outrider.chain import Chain
from outrider.metrics import Metrics
from outrider.slot import Slot
from outrider.step import Step
from outrider_envoy.ext_proc import Conversation
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest
from outrider_envoy.selection import Chains

ROUNDS, DECISIONS = 100, 500

HEADERS = {
    ":method": "GET",
    ":path": "/orders/1?expand=lines",
    ":authority": "api.example.com",
    ":scheme": "http",
    "user-agent": "curl/8.5.0",
    "accept": "*/*",
    "x-request-id": "0e3a613f-ea06-447f-8c24-e4f0d0161667",
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-proto": "http",
    "authorization": "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
    "content-type": "application/json",
}


class Noop(Plugin):
    """Looks at nothing."""

    def on_request(self, request: Request) -> None: ...


class AsyncNoop(Plugin):
    """Looks at nothing, in a coroutine that does not wait."""

    async def on_request(self, request: Request) -> None: ...


class AddHeader(Plugin):
    """Adds one header."""

    priority: ClassVar[int] = 800

    def on_request(self, request: Request) -> None:
        request.headers["x-team"] = "blue"


def measure() -> dict[str, float]:
    """Seconds for one decision, by chain: the best of many short rounds, in turn."""
    cases = {
        "no plugin": decide([]),
        "a no-op plugin": decide([Noop()]),
        "four no-op plugins": decide([Noop() for _ in range(4)]),
        "an async no-op plugin": decide([AsyncNoop()]),
        "a header added": decide([AddHeader()]),
    }
    best = dict.fromkeys(cases, float("inf"))
    for _ in range(ROUNDS):
        for name, case in cases.items():
            best[name] = min(best[name], _timed(case))
    return best


def decide(plugins: Iterable[Plugin]) -> Callable[[], None]:
    """One stream from its first message to its end."""
    metrics = Metrics()
    slots = [Slot([Step(f"plugin-{index}", one, "bench", metrics)]) for index, one in enumerate(plugins)]
    chains = Chains([Chain(Route("bench"), slots, IDENTITY_HEADERS)], [])
    message = request_message()

    def once() -> None:
        conversation = Conversation(chains, "bench")
        conversation.receive(message)
        conversation.close()

    return once


def request_message() -> ProcessingRequest:
    """The request headers of a GET, as Envoy sends them."""
    message = ProcessingRequest()
    message.protocol_config.SetInParent()
    message.request_headers.end_of_stream = True
    for name, value in HEADERS.items():
        message.request_headers.headers.headers.add(key=name, raw_value=value.encode())
    message.attributes["envoy.filters.http.ext_proc"].fields["source.address"].string_value = "203.0.113.9:4711"
    return message


def _timed(case: Callable[[], None]) -> float:
    start = time.perf_counter()
    for _ in range(DECISIONS):
        case()
    return (time.perf_counter() - start) / DECISIONS
