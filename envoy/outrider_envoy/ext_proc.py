"""One ext_proc stream as a state machine: messages in, messages out, no I/O.

Envoy sends the request's headers, then its body if asked to, then the same of the response. Each message gets
exactly one answer. A message that makes no sense here gets a refusal, and an error ends the stream with a gRPC
status: a stream that ends cleanly without an answer would let the request through.
"""

import logging
from typing import Final, Literal, cast, get_args

from outrider.chain import Chain
from outrider.exchange import Exchange, Walk
from outrider.needs import Hook
from outrider.request import Request
from outrider.response import Refusal, Response
from outrider.verdict import NO_ROUTE, PASS, UNCHECKED, Reply, Verdict, has_no_body, reply
from outrider.waiting import Wait
from outrider_envoy.errors import ProtocolError
from outrider_envoy.marks import DECIDED, NAMESPACE
from outrider_envoy.mutations import immediate, replace_body, request_changes, response_changes
from outrider_envoy.proto.ext_proc_pb2 import ProcessingMode, ProcessingRequest, ProcessingResponse
from outrider_envoy.reading import attribute, request_of, response_of
from outrider_envoy.selection import Chains

_log = logging.getLogger("outrider.envoy")

Kind = Literal[
    "request_headers", "request_body", "request_trailers", "response_headers", "response_body", "response_trailers"
]
Answer = ProcessingResponse | Wait

BODY_HOOKS: Final[frozenset[Hook]] = frozenset({"on_request_body", "on_response_body"})
RESPONSE_HOOKS: Final[frozenset[Hook]] = frozenset({"on_response", "on_response_body", "on_log"})


class Conversation:
    """One stream, which is one request and its response.

    `receive` takes a message and gives the answer, or a `Wait`: let it settle, then call `resume`. `close` when the
    stream has ended, by half-close or by cancel: both are normal.
    """

    __slots__ = (
        "_bodiless",
        "_broken",
        "_chain",
        "_chains",
        "_consumed",
        "_exchange",
        "_final",
        "_kind",
        "_modes",
        "_passed",
        "_response",
        "_route",
        "_walk",
        "_wanted",
    )

    def __init__(self, chains: Chains, route: str | None) -> None:
        self._chains = chains
        self._route = route
        self._exchange: Exchange | None = None
        self._chain: Chain | None = None
        self._response: Response | None = None
        self._walk: Walk | None = None
        self._kind: Kind | None = None
        self._wanted: Kind | None = None
        self._final: ProcessingResponse | None = None
        self._bodiless = False
        self._passed = False
        self._broken = False
        self._modes: tuple[int, int] | None = None
        self._consumed: set[Kind] = set()

    def receive(self, message: ProcessingRequest) -> Answer:
        """The answer to one message. Raises `ProtocolError` for a kind that nobody knows."""
        kind: Kind | None = message.WhichOneof("request")
        if kind is None:
            raise ProtocolError("a message of an unknown kind")
        if self._final is not None:
            return self._final
        self._kind = kind
        try:
            return self._dispatch(kind, message)
        except ProtocolError as error:
            return self._refuse(error)

    def resume(self) -> Answer:
        """Goes on after the `Wait` has settled."""
        try:
            return self._advance(None)
        except ProtocolError as error:
            return self._refuse(error)

    def close(self) -> None:
        """The stream is over. What still waited has decided nothing; the plugins' `on_log` runs."""
        unfinished = self._walk is not None
        if self._walk is not None:
            self._walk.close()
            self._walk = None
        if self._exchange is not None:
            missed = self._passed and self._response is None and self._expects_response()
            self._exchange.end(aborted=unfinished or missed or self._broken)

    @property
    def undecided(self) -> bool:
        """Whether the stream has brought no decision yet: it must not end as if there were one."""
        return self._kind is None or self._walk is not None

    def _dispatch(self, kind: Kind, message: ProcessingRequest) -> Answer:
        if kind == "request_headers":
            return self._request_headers(message)
        if kind == "response_headers":
            return self._response_headers(message)
        if kind in ("request_body", "response_body"):
            return self._body(kind, message)
        return self._trailers(kind)

    def _request_headers(self, message: ProcessingRequest) -> Answer:
        if self._exchange is not None or self._response is not None:
            raise ProtocolError("request headers came twice, or after the response's")
        request = request_of(message)
        chain = self._chains.find(self._route, request, lambda: attribute(message, "xds.route_name"))
        if chain is None:
            return self._end(reply(request, Refusal(404, NO_ROUTE)))
        self._chain = chain
        if chain.hooks & BODY_HOOKS and message.HasField("protocol_config"):
            # Only the first message says in which modes Envoy sends bodies.
            modes = message.protocol_config
            self._modes = modes.request_body_mode, modes.response_body_mode
        self._exchange = chain.begin(request)
        self._bodiless = message.request_headers.end_of_stream
        self._walk = self._exchange.request_phase()
        return self._advance(None)

    def _response_headers(self, message: ProcessingRequest) -> Answer:
        if self._response is not None:
            raise ProtocolError("response headers came twice")
        if self._walk is not None:
            # Envoy itself answered (413, a time-out) while a plugin waited for the request's body.
            self._walk.close()
            self._wanted = None
        self._response = response_of(message)
        if self._exchange is None:
            # A filter before this one answered: no plugin saw the request, and it did not go upstream.
            return _UNTOUCHED["response_headers"]
        self._bodiless = message.response_headers.end_of_stream
        self._walk = self._exchange.response_phase(self._response)
        return self._advance(None)

    def _body(self, kind: Kind, message: ProcessingRequest) -> Answer:
        self._check_order(kind)
        if kind in self._consumed:
            raise ProtocolError(f"more of a {kind} that a plugin has already decided on: set {kind}_mode to BUFFERED")
        if kind != self._wanted:
            return _UNTOUCHED[kind]
        self._wanted = None
        self._consumed.add(kind)
        part = message.request_body if kind == "request_body" else message.response_body
        return self._advance(part.body)

    def _trailers(self, kind: Kind) -> Answer:
        self._check_order(kind)
        if self._wanted != ("request_body" if kind == "request_trailers" else "response_body"):
            return _UNTOUCHED[kind]
        # A message with trailers and not one byte of body.
        self._wanted = None
        return self._advance(b"")

    def _check_order(self, kind: Kind) -> None:
        """A body and trailers make sense only after the headers of their message."""
        if kind.startswith("request"):
            if self._exchange is None:
                raise ProtocolError(f"{kind} without the request's headers: set request_header_mode to SEND")
        elif self._response is None and (self._walk is not None or self._expects_response()):
            raise ProtocolError(f"{kind} without the response's headers: set response_header_mode to SEND")

    def _advance(self, sent: bytes | None) -> Answer:
        walk = self._walk
        if walk is None:
            raise ProtocolError("nothing waits to go on")
        try:
            wanted = walk.send(sent)
            if isinstance(wanted, Wait):
                return wanted
            return self._advance(None) if self._bodiless else self._ask_for_body()
        except StopIteration as stop:
            self._walk = None
            return self._decide(stop.value)

    def _ask_for_body(self) -> ProcessingResponse:
        asked: Kind = "request_headers" if self._response is None else "response_headers"
        wanted: Kind = "request_body" if self._response is None else "response_body"
        if self._modes is not None and self._modes[asked == "response_headers"] != ProcessingMode.BUFFERED:
            raise ProtocolError(f"a plugin needs the body, and Envoy's {wanted}_mode is not BUFFERED: set it so")
        self._wanted = wanted
        return _UNTOUCHED[asked]

    def _decide(self, verdict: Verdict) -> ProcessingResponse:
        if verdict is not PASS:
            return self._end(cast("Reply", verdict))
        exchange = cast("Exchange", self._exchange)
        if self._response is None:
            self._passed = True
            return _request_answer(cast("Kind", self._kind), exchange)
        return _response_answer(cast("Kind", self._kind), exchange, self._response)

    def _refuse(self, error: ProtocolError) -> ProcessingResponse:
        _log.warning("request refused: %s", error)
        self._broken = True
        if self._walk is not None:
            self._walk.close()
            self._walk = None
        request = self._exchange.request if self._exchange is not None else Request()
        return self._end(reply(request, Refusal(500, UNCHECKED)))

    def _end(self, refusal: Reply) -> ProcessingResponse:
        """A reply is final: whatever Envoy sends after it gets the same answer."""
        self._final = immediate(refusal)
        return self._final

    def _expects_response(self) -> bool:
        chain = self._chain
        return chain is not None and (bool(chain.hooks & RESPONSE_HOOKS) or bool(chain.reply_headers))


def _untouched(kind: Kind) -> ProcessingResponse:
    answer = ProcessingResponse()
    # An answer whose sub-message is absent makes no sense to Envoy, which then answers 500.
    getattr(answer, kind).SetInParent()
    return answer


_UNTOUCHED: Final[dict[Kind, ProcessingResponse]] = {kind: _untouched(kind) for kind in get_args(Kind)}
"""The answers that let a message on as it is; made once, and never changed."""


def _decided(kind: Kind) -> ProcessingResponse:
    """Lets the request on, and leaves the mark without which our own Envoy refuses it."""
    answer = _untouched(kind)
    answer.dynamic_metadata.update({NAMESPACE: {DECIDED: True}})
    return answer


_PASSED: Final[dict[Kind, ProcessingResponse]] = {kind: _decided(kind) for kind in get_args(Kind)}
"""The same for the answer that ends the request phase."""
_PASSED_BYTES: Final = {kind: answer.SerializeToString() for kind, answer in _PASSED.items()}


def _request_answer(kind: Kind, exchange: Exchange) -> ProcessingResponse:
    request, body = exchange.request, exchange.new_request_body
    if not (request.headers.changed or request.target_changed or body is not None):
        return _PASSED[kind]
    if kind == "request_trailers":
        raise _too_late()
    # Parsing costs a sixth of building the mark anew.
    answer = ProcessingResponse.FromString(_PASSED_BYTES[kind])
    part = answer.request_headers if kind == "request_headers" else answer.request_body
    request_changes(part.response, request)
    if body is not None:
        replace_body(part.response, body, held=kind == "request_body")
        exchange.new_request_body = None
    return answer


def _response_answer(kind: Kind, exchange: Exchange, response: Response) -> ProcessingResponse:
    body = None if has_no_body(exchange.request, response.status) else exchange.new_response_body
    changed = response.headers.changed or response.status_changed or exchange.request.reply_changes()
    if not (changed or body is not None):
        return _UNTOUCHED[kind]
    if kind == "response_trailers":
        raise _too_late()
    answer = ProcessingResponse()
    part = answer.response_headers if kind == "response_headers" else answer.response_body
    response_changes(part.response, exchange, response)
    if body is not None:
        replace_body(part.response, body, held=kind == "response_body")
    return answer


def _too_late() -> ProtocolError:
    return ProtocolError("a message with trailers and no body came too far to be changed")
