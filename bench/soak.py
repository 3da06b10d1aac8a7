"""`make soak`: odd messages at the ext_proc state machine until the time is over. SECONDS as an argument (600).

Nothing may pass that the plugin refuses, nothing but `ProtocolError` may escape, and memory must stay flat.
"""

import logging
import random
import resource
import sys
import time

from google.protobuf.message import DecodeError

from harness import ask
from outrider import Plugin, Refusal, Request, Route
from outrider.auth import IDENTITY_HEADERS
from outrider.chain import Chain
from outrider.metrics import Metrics
from outrider.slot import Slot
from outrider.step import Step
from outrider.waiting import Wait
from outrider_envoy.errors import ProtocolError
from outrider_envoy.ext_proc import Conversation
from outrider_envoy.proto.core_pb2 import HeaderMap
from outrider_envoy.proto.ext_proc_pb2 import ProcessingMode, ProcessingRequest, ProcessingResponse
from outrider_envoy.selection import Chains, Told

GROWTH_KIB = 50 * 1024
KEY = "x-soak-key"


class Guard(Plugin):
    """Lets only requests with the key on, and reads every body."""

    def on_request(self, request: Request) -> Refusal | None:
        return None if request.headers.get(KEY) == "good" else Refusal(401, "Unauthorized")

    def on_request_body(self, request: Request, body: bytes) -> bytes | None:
        return body[::-1] if request.headers.get("x-reverse") else None


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    logging.disable(logging.CRITICAL)
    step = Step("guard", Guard(), "soak", Metrics())
    chains = Chains([Chain(Route("soak"), [Slot([step])], IDENTITY_HEADERS)], [])
    chance, deadline, streams, before = random.Random(), time.monotonic() + seconds, 0, 0
    while time.monotonic() < deadline:
        converse(chains, chance)
        streams += 1
        if streams == 10_000:
            before = peak()
    grown = peak() - before if before else 0
    print(f"{streams:,} streams in {seconds:g} s, memory grew by {grown:,} KiB after the first 10,000")
    return 1 if grown > GROWTH_KIB else 0


def converse(chains: Chains, chance: random.Random) -> None:
    """One stream of up to six messages, some of them broken, ended at any point."""
    conversation = Conversation(chains, Told(chance.choice(["soak", "soak", "soak", None, "other"])))
    let_in = False
    try:
        for _ in range(chance.randrange(1, 7)):
            message = odd_message(chance)
            if message is None:
                continue
            answer = conversation.receive(message)
            let_in = let_in or is_good(message)
            if not isinstance(answer, Wait) and passes(message, ProcessingResponse.FromString(answer)) and not let_in:
                raise SystemExit(f"a request got through: {message}")
    except ProtocolError:
        pass
    finally:
        conversation.close()


def odd_message(chance: random.Random) -> ProcessingRequest | None:
    """A message of any kind; now and then with bytes flipped, cut or doubled. None if it is no message any more."""
    raw = bytearray(chance.choice(_KINDS)(chance).SerializeToString())
    for _ in range(chance.choice([0, 0, 0, 1, 3])):
        if raw:
            raw[chance.randrange(len(raw))] = chance.randrange(256)
    if chance.random() < 0.1:
        raw = raw[: chance.randrange(len(raw) + 1)] * chance.choice([1, 2])
    try:
        return ProcessingRequest.FromString(bytes(raw))
    except DecodeError:
        return None


def is_good(message: ProcessingRequest) -> bool:
    try:
        headers = HeaderMap.FromString(message.request_headers.headers).headers
    except DecodeError:
        return False
    return any(header.key == KEY and b"good" in (header.raw_value or header.value.encode()) for header in headers)


def passes(message: ProcessingRequest, answer: ProcessingResponse) -> bool:
    """Whether the answer lets a request on. An answer to headers that a body follows may only ask for the body."""
    whole = message.request_headers.end_of_stream and answer.HasField("request_headers")
    return whole or answer.HasField("request_body") or answer.HasField("request_trailers")


def peak() -> int:
    """The largest resident size so far, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _headers(chance: random.Random) -> ProcessingRequest:
    key = chance.choice([b"good", b"bad", b"", b"good, good", b"\xff"])
    fields = [(KEY, key)] if chance.random() < 0.5 else []
    message = ask.request_headers(*fields, end=chance.random() < 0.3)
    message.protocol_config.request_body_mode = chance.choice([ProcessingMode.NONE, ProcessingMode.BUFFERED])
    return message


def _body(chance: random.Random) -> ProcessingRequest:
    message = ProcessingRequest()
    message.request_body.body = chance.randbytes(chance.randrange(100))
    message.request_body.end_of_stream = True
    return message


def _trailers(_: random.Random) -> ProcessingRequest:
    message = ProcessingRequest()
    message.request_trailers.SetInParent()
    return message


def _response(chance: random.Random) -> ProcessingRequest:
    return ask.response_headers(status=chance.choice(["200", "503", "", "x"]))


def _nothing(_: random.Random) -> ProcessingRequest:
    return ProcessingRequest()


_KINDS = (_headers, _headers, _body, _trailers, _response, _nothing)

if __name__ == "__main__":
    sys.exit(main())
