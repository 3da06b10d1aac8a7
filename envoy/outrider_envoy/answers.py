"""Envoy's messages for what a chain has decided."""

from collections.abc import Sequence
from typing import Final, get_args

from outrider.exchange import Exchange
from outrider.response import Response
from outrider.verdict import has_no_body
from outrider_envoy.direction import Direction, Kind
from outrider_envoy.errors import ProtocolError
from outrider_envoy.marks import DECIDED, NAMESPACE, REPLY
from outrider_envoy.modes import DUPLEX
from outrider_envoy.mutations import header_removed, header_set, request_changes, response_changes
from outrider_envoy.wire import number, number_tag, sized, tag

# ProcessingResponse: each kind of message has its kind of answer.
_KIND: Final[dict[Kind, bytes]] = {
    "request_headers": tag(1),
    "response_headers": tag(2),
    "request_body": tag(3),
    "response_body": tag(4),
    "request_trailers": tag(5),
    "response_trailers": tag(6),
}
_METADATA, _MODE = tag(8), tag(9)
# HeadersResponse and BodyResponse, and the CommonResponse in them
_RESPONSE = tag(1)
_REPLACE = number_tag(1) + b"\x01"
_MUTATION, _BODY_MUTATION = tag(2), tag(3)
# BodyMutation and StreamedBodyResponse
_BODY, _STREAMED = tag(1), tag(3)
_LAST = number_tag(2) + b"\x01"
# google.protobuf.Struct and Value
_FIELD, _NAME, _VALUE = tag(1), tag(1), tag(2)
_TEXT, _TRUE, _STRUCT = tag(3), number_tag(4) + b"\x01", tag(5)

# An answer whose sub-message is absent makes no sense to Envoy, which then answers 500.
UNTOUCHED: Final[dict[Kind, bytes]] = {kind: sized(_KIND[kind], b"") for kind in get_args(Kind)}
"""The answers that let a message on as it is."""


def _member(name: str, value: bytes) -> bytes:
    """One field of a Struct."""
    return sized(_FIELD, sized(_NAME, name.encode()) + sized(_VALUE, value))


_DECIDED: Final = _member(DECIDED, _TRUE)


def _marks(members: bytes) -> bytes:
    return sized(_METADATA, _member(NAMESPACE, sized(_STRUCT, members)))


_PASSED: Final = _marks(_DECIDED)
"""The mark without which our own Envoy refuses the request."""


class Answer:
    """The answer to a message with headers or a body, on its way to bytes.

    `mutation` is a HeaderMutation, `body` the new body if any; `replaces` says that the body stands in for one that
    Envoy does not hold. `marks` and `mode` are whole fields: the dynamic metadata and the mode override.
    """

    __slots__ = ("body", "kind", "marks", "mode", "mutation", "replaces")

    def __init__(self, kind: Kind, marks: bytes = b"") -> None:
        self.kind: Kind = kind
        self.marks = marks
        self.mutation = b""
        self.body: bytes | None = None
        self.replaces = False
        self.mode = b""

    def override_mode(self, mode: bytes) -> None:
        """Has Envoy send bodies in another mode from here on."""
        self.mode = sized(_MODE, mode)

    def write(self) -> bytes:
        """The message."""
        mutation, body = self.mutation, self.body
        if body is not None:
            return b"".join((*_common(self.kind, self._head(), _new_body(body)), self.marks, self.mode))
        if not mutation:
            return UNTOUCHED[self.kind] + self.marks + self.mode
        return sized(_KIND[self.kind], sized(_RESPONSE, sized(_MUTATION, mutation))) + self.marks + self.mode

    def replace_body(self, body: bytes, *, held: bool) -> None:
        """Puts a new body in the place of the one that Envoy holds, or where there was none, with its length."""
        if not held and not body:
            return
        self.body = body
        if held:
            self.mutation += header_set("content-length", str(len(body)))
        else:
            self.replaces = True
            self.mutation += header_removed("content-length")

    def _head(self) -> bytes:
        status = _REPLACE if self.replaces else b""
        return status + sized(_MUTATION, self.mutation) if self.mutation else status


def request_answer(kind: Kind, exchange: Exchange, *, marks_path: bool) -> Answer:
    """Lets the request on with what the chain changed, and leaves the mark and the reply headers for later."""
    request, body = exchange.request, exchange.new_request_body
    replies = request.reply_changes()
    answer = Answer(kind, _marks(_DECIDED + _replies(replies)) if replies else _PASSED)
    if request.headers.changed or request.line_changed or body is not None:
        _check_in_time(kind)
        answer.mutation = request_changes(request, marks_path=marks_path)
        if body is not None:
            answer.replace_body(body, held=kind == "request_body")
        exchange.new_request_body = None
    return answer


def response_answer(kind: Kind, exchange: Exchange, response: Response) -> Answer:
    """Lets the response on with what the chain changed."""
    request = exchange.request
    body = None if has_no_body(request, response.status) else exchange.new_response_body
    answer = Answer(kind)
    if response.headers.changed or response.status_changed or request.reply_changes() or body is not None:
        _check_in_time(kind)
        answer.mutation = response_changes(request, response)
        if body is not None:
            answer.replace_body(body, held=kind == "response_body")
            exchange.new_response_body = None
    return answer


def chunk_answers(direction: Direction, came: bytes, goes: bytes, *, last: bool) -> list[bytes]:
    """One piece of a body, as the chunk hooks left it; FULL_DUPLEX_STREAMED takes it in several answers."""
    if direction.mode == DUPLEX:
        starts = range(0, max(len(goes), 1), _MOST)
        return [_streamed(direction, goes[at : at + _MOST], last=last and at == starts[-1]) for at in starts]
    if goes is came:
        return [UNTOUCHED[direction.body]]
    return [b"".join(_common(direction.body, b"", _new_body(goes)))]


def _check_in_time(kind: Kind) -> None:
    if kind.endswith("trailers"):
        raise ProtocolError("a message with trailers and no body came too far to be changed")


def _replies(replies: Sequence[tuple[str, list[str]]]) -> bytes:
    texts = [_text(name, values[0] if len(values) == 1 else ", ".join(values)) for name, values in replies]
    return _member(REPLY, sized(_STRUCT, b"".join(texts)))


def _text(name: str, text: str) -> bytes:
    return _member(name, sized(_TEXT, text.encode()))


def _streamed(direction: Direction, piece: bytes, *, last: bool) -> bytes:
    streamed = sized(_BODY, piece) + (_LAST if last else b"")
    return b"".join(_common(direction.body, b"", [sized(_STREAMED, streamed)]))


def _new_body(body: bytes) -> Sequence[bytes]:
    # In parts: a body is long, and to nest it would copy it each time.
    return _BODY, number(len(body)), body


def _common(kind: Kind, head: bytes, body_mutation: Sequence[bytes]) -> Sequence[bytes]:
    """An answer with a BodyMutation, in parts."""
    size = sum(map(len, body_mutation))
    head += _BODY_MUTATION + number(size)
    whole = len(head) + size
    response = _RESPONSE + number(whole)
    return _KIND[kind], number(len(response) + whole), response, head, *body_mutation


_MOST: Final = 1024 * 1024
"""How much of a body one answer carries, in bytes: a gRPC message must not grow with what a plugin makes of one."""
