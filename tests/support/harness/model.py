"""What a real Envoy does with the answers of one ext_proc stream, as far as bodies, modes and lengths go.

Every rule is one that tests/envoy/test_envoy_facts_ext_proc_*.py hold against the real one; what it would answer with
an error of its own raises `EnvoyError` here, since our answers must never come to that.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from harness import ask
from harness.streams import Stream
from outrider.chain import Chain
from outrider_envoy.modes import BUFFERED, DUPLEX, NONE, STREAMED, processing_mode
from outrider_envoy.proto.ext_proc_pb2 import (
    BodyMutation,
    CommonResponse,
    ProcessingMode,
    ProcessingRequest,
    ProcessingResponse,
)

Mode = ProcessingMode.BodySendMode


class EnvoyError(AssertionError):
    """Envoy would have answered 500 by itself, or have sent a message with a wrong length."""


class Refused(Exception):  # noqa: N818 - the ordinary end of a stream
    """An immediate response came; what has not passed yet never does."""


@dataclass
class Side:
    """One direction: what comes in, and what has passed on."""

    name: str
    chunks: tuple[bytes, ...]
    trailers: bool
    announced: bool
    mode: Mode = NONE
    length: int | None = None
    begun: bool = False
    ended: bool = False
    replaced: bool = False
    passed: list[bytes] = field(default_factory=list[bytes])

    @property
    def bare(self) -> bool:
        """Whether the message ends with its headers."""
        return not self.chunks and not self.trailers

    def receive_headers(self, common: CommonResponse, before: Mode) -> None:
        """The headers go on, with the length that Envoy leaves them."""
        known = sum(map(len, self.chunks)) if self.announced else None
        self.length = None if before in (STREAMED, DUPLEX) else known
        if "content-length" in common.header_mutation.remove_headers:
            self.length = None
        for option in common.header_mutation.set_headers:
            if option.header.key == "content-length" and self.mode == NONE:
                self.length = int(option.header.raw_value)
        if common.status == CommonResponse.CONTINUE_AND_REPLACE:
            self.replaced = True
            self.passed.append(common.body_mutation.body)
        # In BUFFERED mode the headers wait for the body.
        self.begun = self.bare or self.mode != BUFFERED

    def end(self) -> None:
        self.ended = self.begun = True
        body = sum(map(len, self.passed))
        if self.length is not None and self.length != body:
            raise EnvoyError(f"a {self.name} of {body} bytes left with content-length {self.length}")


class Model:
    """One request through one chain; `listens` is allow_mode_override."""

    def __init__(self, stream: Stream, chain: Chain, request: Side, response: Side, *, listens: bool = True) -> None:
        self.stream = stream
        self.request = request
        self.response = response
        self.status: int | None = None
        self._listens = listens
        self._static = processing_mode(chain)
        request.mode, response.mode = self._static.request_body_mode, self._static.response_body_mode
        self._sends_response = self._static.response_header_mode == ProcessingMode.SEND

    async def headers(self, side: Side) -> None:
        """The headers of one direction, and what comes of them."""
        if side is self.response and not self._sends_response:
            side.begun, side.mode = True, NONE
            side.length = sum(map(len, side.chunks)) if side.announced else None
            return
        (answer,) = await self._tell(self._header_message(side))
        before = side.mode
        if self._listens and answer.HasField("mode_override"):
            override = answer.mode_override
            self.request.mode, self.response.mode = override.request_body_mode, override.response_body_mode
        common: CommonResponse = getattr(answer, f"{side.name}_headers").response
        side.receive_headers(common, before)
        if side.bare:
            side.end()

    async def parts(self, side: Side) -> AsyncIterator[None]:
        """Everything after the headers, piece by piece."""
        for message in self._messages(side):
            kind = message.WhichOneof("request") or ""
            for answer in await self._tell(message):
                self._take(side, kind, answer, message)
            yield
        if not side.ended:
            side.end()

    def _take(self, side: Side, kind: str, answer: ProcessingResponse, message: ProcessingRequest) -> None:
        if kind.endswith("trailers"):
            if answer.WhichOneof("response") == kind:
                side.end()
                return
            if side.mode != DUPLEX:
                raise EnvoyError("a body before the trailers' answer")
            side.passed.append(_mutation(answer, side).streamed_response.body)
            return
        mutation = _mutation(answer, side)
        came = message.request_body if side.name == "request" else message.response_body
        if side.mode == DUPLEX:
            if mutation.WhichOneof("mutation") != "streamed_response":
                raise EnvoyError("a plain body answer in FULL_DUPLEX_STREAMED")
            side.passed.append(mutation.streamed_response.body)
        elif mutation.WhichOneof("mutation") == "streamed_response":
            if self._listens:
                raise EnvoyError("streamed_response outside of FULL_DUPLEX_STREAMED")
            # Envoy's own 500: it took no notice of the mode that was asked for.
            self.status = 500
            raise Refused
        else:
            changed = mutation.WhichOneof("mutation") == "body"
            side.passed.append(mutation.body if changed else came.body)
            if side.mode == BUFFERED and changed:
                self._new_length(side, answer)
        if came.end_of_stream:
            side.end()

    @staticmethod
    def _new_length(side: Side, answer: ProcessingResponse) -> None:
        common: CommonResponse = getattr(answer, f"{side.name}_body").response
        for option in common.header_mutation.set_headers:
            if option.header.key == "content-length":
                side.length = int(option.header.raw_value)

    def _messages(self, side: Side) -> Iterator[ProcessingRequest]:
        """What Envoy sends in the mode that is in force; what it does not send passes as it is."""
        say, tell = (
            (ask.request_body, ask.request_trailers)
            if side.name == "request"
            else (ask.response_body, ask.response_trailers)
        )
        sends_trailers = getattr(self._static, f"{side.name}_trailer_mode") == ProcessingMode.SEND
        if side.bare or side.replaced:
            return
        if side.mode == NONE:
            side.passed.extend(side.chunks)
        elif side.mode == BUFFERED:
            if side.chunks:
                yield say(b"".join(side.chunks), end=not side.trailers)
        else:
            for place, chunk in enumerate(side.chunks, 1):
                yield say(chunk, end=place == len(side.chunks) and not side.trailers)
        if side.trailers and sends_trailers and (side.name == "request" or self._sends_response):
            yield tell()

    def _header_message(self, side: Side) -> ProcessingRequest:
        fields = [("content-length", str(sum(map(len, side.chunks))))] if side.announced else []
        if side.name == "response":
            return ask.response_headers(*fields, end=side.bare)
        modes = self._static.request_body_mode, self._static.response_body_mode
        return ask.request_headers(*fields, method="POST", end=side.bare, modes=modes)

    async def _tell(self, message: ProcessingRequest) -> list[ProcessingResponse]:
        answers = await self.stream.tell_all(message)
        if answers[0].WhichOneof("response") == "immediate_response":
            self.status = answers[0].immediate_response.status.code
            raise Refused
        return answers


def _mutation(answer: ProcessingResponse, side: Side) -> BodyMutation:
    common: CommonResponse = getattr(answer, f"{side.name}_body").response
    return common.body_mutation
