"""One ext_proc stream as a state machine: messages in, their answers out, no I/O.

Envoy sends the request's headers, then its body if asked to, then the same of the response; while a request still
streams, messages of both may alternate. A message that makes no sense here gets a refusal, and an error ends the
stream with a gRPC status: a stream that ends cleanly without an answer would let the request through.
"""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import cast

from outrider.chain import Chain
from outrider.chunks import Chunks
from outrider.exchange import Exchange
from outrider.pressure import Pressure
from outrider.request import Request
from outrider.response import Refusal, Response
from outrider.verdict import NO_ROUTE, PASS, UNCHECKED, Reply, Verdict, reply
from outrider.waiting import Wait
from outrider_envoy.answers import UNTOUCHED, Answer, chunk_answers, request_answer, response_answer
from outrider_envoy.direction import Direction, Kind
from outrider_envoy.errors import ProtocolError
from outrider_envoy.fitting import fit
from outrider_envoy.header_map import fields_of
from outrider_envoy.modes import DUPLEX, NONE, modes_of
from outrider_envoy.mutations import immediate, refuse_unread
from outrider_envoy.proto.ext_proc_pb2 import ProcessingRequest
from outrider_envoy.reading import attribute, is_upgrade, refused_upgrade, request_of, response_of
from outrider_envoy.selection import Chains, Told

_log = logging.getLogger("outrider.envoy")

Sent = bytes | Wait


class Conversation:
    """One stream, which is one request and its response.

    `receive` takes a message and gives the answer in bytes, or a `Wait`: let it settle, then call `resume`. What is
    then in `rest` is to be sent behind it. `close` at the stream's end, by half-close or by cancel: both are normal.
    """

    __slots__ = (
        "_active",
        "_broken",
        "_chain",
        "_chains",
        "_chunk",
        "_exchange",
        "_final",
        "_kind",
        "_last",
        "_pressure",
        "_request",
        "_response",
        "_told",
        "_upstream",
        "rest",
    )

    def __init__(self, chains: Chains, told: Told, pressure: Pressure | None = None) -> None:
        self.rest: Sequence[bytes] = ()
        self._chains = chains
        self._told = told
        self._pressure = pressure
        self._exchange: Exchange | None = None
        self._chain: Chain | None = None
        self._upstream: Response | None = None
        self._request = Direction("request_headers", "request_body", "request_trailers")
        self._response = Direction("response_headers", "response_body", "response_trailers")
        self._active = self._request
        self._kind: Kind | None = None
        self._chunk = b""
        self._last = False
        self._final: bytes | None = None
        self._broken = False

    def receive(self, message: ProcessingRequest, now: float = 0.0) -> Sent:
        """The answer to one message, read at `now`. Raises `ProtocolError` for a kind that nobody knows."""
        kind: Kind | None = message.WhichOneof("request")
        if kind is None:
            raise ProtocolError("a message of an unknown kind")
        if self._final is not None:
            return self._final
        self._kind = kind
        self._active = self._request if kind.startswith("request") else self._response
        try:
            return self._dispatch(kind, message, now)
        except ProtocolError as error:
            return self._refuse(error)

    def resume(self) -> Sent:
        """Goes on after the `Wait` has settled."""
        try:
            return self._advance(None)
        except ProtocolError as error:
            return self._refuse(error)

    def close(self) -> None:
        """The stream is over. What still waited has decided nothing; the plugins' `on_log` runs."""
        unfinished = self._request.stop() | self._response.stop()
        if self._exchange is not None:
            went_on = self._request.state in ("passes", "chunks") and self._upstream is None
            missed = went_on and self._expects_response()
            cut = (self._response if self._upstream else self._request).state == "chunks"
            self._exchange.end(aborted=unfinished or self._broken or (self._final is None and (missed or cut)))

    def lose(self) -> None:
        """An answer did not reach Envoy."""
        self._broken = True

    @property
    def undecided(self) -> bool:
        """Whether the stream has brought no decision yet: it must not end as if there were one."""
        if self._final is not None:
            return False
        return self._kind is None or self._request.is_open or self._response.is_open

    def _dispatch(self, kind: Kind, message: ProcessingRequest, now: float) -> Sent:
        if kind == "request_headers":
            return self._request_headers(message, now)
        if kind == "response_headers":
            return self._response_headers(message)
        self._check_order(kind)
        if kind.endswith("trailers"):
            return self._trailers(kind)
        part = message.request_body if kind == "request_body" else message.response_body
        return self._body(part.body, last=part.end_of_stream)

    def _request_headers(self, message: ProcessingRequest, now: float) -> Sent:
        if self._exchange is not None or self._upstream is not None:
            raise ProtocolError("request headers came twice, or after the response's")
        if self._pressure is not None and self._pressure.sheds(now):
            self._final = refuse_unread(fields_of(message.request_headers.headers))
            return self._final
        request = request_of(message, self._told.peer)
        chain = self._chains.find(self._told.route, request, lambda: attribute(message, "xds.route_name"))
        if chain is None:
            return self._end(reply(request, Refusal(404, NO_ROUTE)))
        self._chain = chain
        if chain.reads_bodies:
            modes = modes_of(message, chain)
            self._request.sends(modes.request_body_mode)
            self._response.sends(modes.response_body_mode)
        self._exchange = chain.begin(request)
        ended = message.request_headers.end_of_stream
        length = request.headers.get("content-length") if chain.reads_bodies else None
        self._request.begin(ended=ended, bodiless=ended or is_upgrade(request), length=length)
        if chain.reads_bodies and not ended and (refusal := refused_upgrade(request)):
            return self._end(reply(request, refusal))
        self._request.walk = self._exchange.request_phase()
        return self._advance(None)

    def _response_headers(self, message: ProcessingRequest) -> Sent:
        if self._upstream is not None:
            raise ProtocolError("response headers came twice")
        if self._request.stop():
            # Envoy itself answered (413, a time-out) while a plugin waited for the request's body.
            self._request.state, self._request.over = "passes", True
        self._upstream = response_of(message)
        if self._exchange is None:
            # A filter before this one answered: no plugin saw the request, and it did not go upstream.
            self._response.state = "passes"
            return UNTOUCHED["response_headers"]
        upgraded = self._upstream.status == HTTPStatus.SWITCHING_PROTOCOLS
        length = self._upstream.headers.get("content-length")
        self._response.begin(ended=message.response_headers.end_of_stream, bodiless=upgraded, length=length)
        self._response.walk = self._exchange.response_phase(self._upstream)
        return self._advance(None)

    def _body(self, body: bytes, *, last: bool) -> Sent:
        active = self._active
        if active.over:
            part = active.body
            raise ProtocolError(f"more of a {part} after its end: set {part}_mode to BUFFERED or STREAMED")
        # A whole body is all of it, whether trailers follow or not.
        active.over = last or active.state == "awaits body"
        if active.state == "chunks":
            return self._feed(body, last=last)
        if active.state == "awaits body":
            return self._advance(body)
        return self._pieces(chunk_answers(active, body, body, last=last))

    def _trailers(self, kind: Kind) -> Sent:
        self._active.over = True
        if self._active.state == "awaits body":
            # A message with trailers and not one byte of body.
            return self._advance(b"")
        if self._active.state == "chunks":
            return self._feed(b"", last=True)
        return UNTOUCHED[kind]

    def _check_order(self, kind: Kind) -> None:
        """A body and trailers make sense only after the headers of their message."""
        if self._active is self._request:
            if self._exchange is None:
                raise ProtocolError(f"{kind} without the request's headers: set request_header_mode to SEND")
        elif self._upstream is None and (self._request.walk is not None or self._expects_response()):
            raise ProtocolError(f"{kind} without the response's headers: set response_header_mode to SEND")

    def _feed(self, chunk: bytes, *, last: bool) -> Sent:
        active, exchange = self._active, cast("Exchange", self._exchange)
        self._chunk, self._last = chunk, last
        feed = exchange.request_chunk if active is self._request else exchange.response_chunk
        active.walk = feed(chunk, last=last)
        return self._advance(None)

    def _advance(self, sent: bytes | None) -> Sent:
        active = self._active
        if (walk := active.walk) is None:
            raise ProtocolError("nothing waits to go on")
        try:
            wanted = walk.send(sent)
            if isinstance(wanted, Wait):
                return wanted
            if active.bodiless:
                return self._advance(None)
            active.state = "awaits body"
            return self._fitted(Answer(active.headers))
        except StopIteration as stop:
            active.walk = None
            ended: Verdict | bytes = stop.value
        if isinstance(ended, Reply):
            return self._end(ended)
        return self._decided() if ended is PASS else self._passed_on(cast("bytes", ended))

    def _decided(self) -> Sent:
        """The hooks on headers and on a whole body let the message on."""
        active, exchange, kind = self._active, cast("Exchange", self._exchange), cast("Kind", self._kind)
        chunks = self._chunks()
        active.state = "passes" if chunks is None else "chunks"
        if chunks is not None and active.bodiless:
            return self._feed(b"", last=True)
        if active is self._request:
            if active.bodiless and not active.ended:
                # An upgrade: a body in front of it would never end.
                exchange.new_request_body = None
            answer = request_answer(kind, exchange, marks_path=self._told.marks_path)
        else:
            answer = response_answer(kind, exchange, cast("Response", self._upstream))
        return self._fitted(answer) if kind == active.headers else answer.write()

    def _passed_on(self, goes: bytes) -> Sent:
        """The chunk hooks are done with one piece."""
        active, exchange = self._active, cast("Exchange", self._exchange)
        if self._last:
            active.state = "passes"
        if self._kind == active.headers:
            return self._without_body(goes, exchange)
        chunk, self._chunk = self._chunk, b""
        if self._kind == active.body:
            return self._pieces(chunk_answers(active, chunk, goes, last=self._last))
        if goes and active.mode != DUPLEX:
            raise ProtocolError(f"a plugin held bytes back, and the {active.body}_mode is not FULL_DUPLEX_STREAMED")
        held = chunk_answers(active, chunk, goes, last=False) if goes else []
        return self._pieces([*held, UNTOUCHED[active.trailers]])

    def _pieces(self, answers: list[bytes]) -> bytes:
        self.rest = answers[1:]
        return answers[0]

    def _without_body(self, goes: bytes, exchange: Exchange) -> Sent:
        """There is no body; what the chunk hooks made of its end may be one."""
        if self._active is self._request:
            exchange.request_chunks, exchange.new_request_body = None, goes or None
        else:
            exchange.response_chunks, exchange.new_response_body = None, goes or None
        return self._decided()

    def _fitted(self, answer: Answer) -> bytes:
        """The answer to a header message, with another body mode where that fits the message better."""
        active = self._active
        if active.configured == NONE and active.state == "passes":
            return answer.write()
        chunks, other = self._chunks(), self._response if active is self._request else self._request
        resizes = chunks is not None and chunks.resizes
        fit(answer, active, other, cast("Chain", self._chain), resizes=resizes)
        return answer.write()

    def _chunks(self) -> Chunks | None:
        exchange = cast("Exchange", self._exchange)
        return exchange.request_chunks if self._active is self._request else exchange.response_chunks

    def _refuse(self, error: ProtocolError) -> bytes:
        _log.warning("request refused: %s", error)
        self._broken = True
        self._request.stop()
        self._response.stop()
        request = self._exchange.request if self._exchange is not None else Request()
        return self._end(reply(request, Refusal(500, UNCHECKED)))

    def _end(self, refusal: Reply) -> bytes:
        """A reply is final: whatever Envoy sends after it gets the same answer."""
        self._final = immediate(refusal)
        return self._final

    def _expects_response(self) -> bool:
        return self._chain is not None and self._chain.needs_response
