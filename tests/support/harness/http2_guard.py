"""A guard behind the engine, and what proves that nothing passed it: for fuzzing."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from harness.chains import acts, chain
from harness.http2_frames import PADDED, Kind, Reader
from harness.http2_heard import Heard
from outrider import Plugin, Refusal, Request
from outrider.metrics import Metrics
from outrider.waiting import Wait
from outrider_envoy.proto.ext_proc_pb2 import ProcessingResponse
from outrider_envoy.selection import Chains

KEY, TOKEN, PROOF = "x-key", "x-token", "x-proof"
GOOD = "good"


@dataclass
class Guard:
    """Lets a request with the key on, and marks it with its token."""

    let_in: set[str] = field(default_factory=set[str])

    def plugin(self) -> Plugin:
        return acts(on_request=self._decide)

    def chains(self) -> Chains:
        return Chains([chain(self.plugin())], ())

    def _decide(self, request: Request) -> object:
        return self._later(request) if request.headers.get("x-wait") else self._verdict(request)

    async def _later(self, request: Request) -> Refusal | None:
        await asyncio.sleep(0)
        return self._verdict(request)

    def _verdict(self, request: Request) -> Refusal | None:
        token = request.headers.get(TOKEN)
        if request.headers.get(KEY) != GOOD or not token:
            return Refusal(401, "Unauthorized")
        self.let_in.add(token)
        request.headers[PROOF] = token
        return None


def check(guard: Guard, heard: Heard, said: bytes) -> int:
    """How many requests passed; raises if one did without its key, or by the answer of another stream."""
    sent = bodies(said)
    passed = 0
    for stream, answer in heard.answers.items():
        messages = [one for one in map(parsed, answer.messages) if one is not None]
        if answer.status == 0 and not messages:
            raise AssertionError(f"stream {stream} ended well without a decision")
        asked = [one for one in messages if (one.WhichOneof("response") or "request").startswith("request")]
        if asked and not asked[0].HasField("immediate_response"):
            token = proof(asked[0])
            if token is None or token not in guard.let_in:
                raise AssertionError(f"stream {stream} let a request on without its key: {asked[0]}")
            if token.encode(errors="surrogateescape") not in sent.get(stream, b""):
                raise AssertionError(f"stream {stream} has the answer of another")
            passed += 1
    return passed


def parsed(raw: bytes) -> ProcessingResponse | None:
    try:
        return ProcessingResponse.FromString(raw)
    except DecodeError:
        raise AssertionError(f"an answer that is none: {raw!r}") from None


def proof(answer: ProcessingResponse) -> str | None:
    """The token that the guard has put into a decision to let on."""
    options = answer.request_headers.response.header_mutation.set_headers
    found = [
        option.header.raw_value.decode(errors="surrogateescape") for option in options if option.header.key == PROOF
    ]
    return found[0] if found else None


def bodies(said: bytes) -> dict[int, bytes]:
    """What was sent on each stream, without padding."""
    found: dict[int, bytes] = {}
    for frame in Reader().read(said):
        if frame.kind == Kind.DATA:
            payload = frame.payload
            if frame.flags & PADDED and payload:
                payload = payload[1 : len(payload) - payload[0]]
            stream = frame.stream & 0x7FFF_FFFF
            found[stream] = found.get(stream, b"") + payload
    return found


class Hooks:
    """Lets the hooks that wait settle one by one, on a loop that runs only for them."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self._waiting: list[tuple[Wait, Callable[[], None]]] = []

    def settle(self, wait: Wait, done: Callable[[], None], _: Context) -> Callable[[], object]:
        entry = (wait, done)
        self._waiting.append(entry)

        def cancel() -> None:
            self._waiting.remove(entry)
            self._waiting.insert(0, (_NOTHING, done))

        return cancel

    def let_go(self) -> bool:
        """Whether there was one."""
        if not self._waiting:
            return False
        wait, done = self._waiting.pop(0)
        if wait is not _NOTHING:
            self._runner.run(wait.settle())
        done()
        return True


_NOTHING = Wait.__new__(Wait)


def metrics() -> Metrics:
    return Metrics(slots=1 << 12)
