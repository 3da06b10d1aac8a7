"""One ext_authz check as a state machine: one message in, one out, no I/O. It has the request phase only."""

import logging
from typing import cast

from outrider.exchange import Exchange, Walk
from outrider.grpc_status import GrpcStatus
from outrider.pressure import Pressure
from outrider.request import Request
from outrider.response import Refusal
from outrider.verdict import NO_ROUTE, PASS, UNCHECKED, Reply, Verdict, reply
from outrider.waiting import Wait
from outrider_envoy.errors import ProtocolError
from outrider_envoy.marks import DECIDED
from outrider_envoy.mutations import line_changes
from outrider_envoy.overload import refusing
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest, CheckResponse, Status
from outrider_envoy.reading import checked_fields, checked_request, is_partial, refused_upgrade
from outrider_envoy.selection import PATH_KEY, ROUTE_KEY, Chains, Told
from outrider_envoy.wire import number, number_tag, sized, tag, text_header

_log = logging.getLogger("outrider.envoy")

BODY_KEY = "outrider-body"
"""The context extension by which a route says that its checks bring the body."""
WHOLE = "whole"

# CheckResponse, the Status in it, and both of its answers
_STATUS, _DENIED_RESPONSE, _OK_RESPONSE, _METADATA = tag(1), tag(2), tag(3), tag(4)
_CODE = number_tag(1)
_SET, _BODY, _REMOVE, _REPLY = tag(2), tag(3), tag(5), tag(6)
_REPLACES = sized(tag(2), b"")
"""`append: false`."""

# Without a status the request would be allowed too; it is written all the same, as every verdict is.
_PASSED = CheckResponse(status=Status(code=GrpcStatus.OK), dynamic_metadata={DECIDED: True}).SerializeToString()
_REFUSED = CheckResponse(status=Status(code=GrpcStatus.PERMISSION_DENIED)).SerializeToString()

Sent = bytes | Wait


class Check:
    """One check.

    `receive` gives the answer in bytes, or a `Wait`: let it settle, then call `resume`. `close` at the end.
    """

    def __init__(self, chains: Chains, told: Told, pressure: Pressure | None = None) -> None:
        self._chains = chains
        self._told = told
        self._pressure = pressure
        self._exchange: Exchange | None = None
        self._walk: Walk | None = None
        self._marks_path = False
        self._body: bytes | None = None
        self._broken = False

    def receive(self, message: CheckRequest, now: float = 0.0) -> Sent:
        """The answer to the check, which was read at `now`."""
        try:
            if self._pressure is not None and self._pressure.sheds(now):
                return _refuse_unread(checked_fields(message))
            request = checked_request(message, self._told.client, self._told.peer)
            of_route = message.attributes.context_extensions
            self._marks_path = PATH_KEY in of_route
            named = of_route.get(ROUTE_KEY, self._told.route)
            chain = self._chains.find(named, request)
            if chain is None:
                return _denied(reply(request, Refusal(404, NO_ROUTE)))
            if "on_request_body" in chain.hooks:
                if refusal := refused_upgrade(request):
                    return _denied(reply(request, refusal))
                self._body = _whole_body(message, request.headers.get("content-length"))
            self._exchange = chain.begin(request)
            self._walk = self._exchange.request_phase()
            return self._advance(None)
        except ProtocolError as error:
            return self._refuse(error)

    def resume(self) -> Sent:
        """Goes on after the `Wait` has settled."""
        try:
            return self._advance(None)
        except ProtocolError as error:
            return self._refuse(error)

    def close(self) -> None:
        """The call is over: what still waited has decided nothing."""
        unfinished = self._walk is not None
        if self._walk is not None:
            self._walk.close()
            self._walk = None
        if self._exchange is not None:
            self._exchange.end(aborted=unfinished or self._broken)

    def _advance(self, sent: bytes | None) -> Sent:
        try:
            wanted = cast("Walk", self._walk).send(sent)
        except StopIteration as stop:
            self._walk = None
            return self._decide(stop.value)
        if isinstance(wanted, Wait):
            return wanted
        if self._body is None:
            remedy = f"set with_request_body with pack_as_bytes, and the route's extension {BODY_KEY}: {WHOLE}"
            raise ProtocolError(f"a plugin needs the whole body: {remedy}")
        return self._advance(self._body)

    def _decide(self, verdict: Verdict) -> bytes:
        if verdict is not PASS:
            return _denied(cast("Reply", verdict))
        return _ok(cast("Exchange", self._exchange), marks_path=self._marks_path)

    def _refuse(self, error: ProtocolError) -> bytes:
        _log.warning("request refused: %s", error)
        self._broken = True
        self.close()
        request = self._exchange.request if self._exchange is not None else Request()
        return _denied(reply(request, Refusal(500, UNCHECKED)))


def _whole_body(message: CheckRequest, length: str | None) -> bytes | None:
    """The request's body, None where it is not known to be whole: an absent one and one left out look the same."""
    http = message.attributes.request.http
    if message.attributes.context_extensions.get(BODY_KEY) != WHOLE or is_partial(message):
        return None
    # In `body`, without pack_as_bytes, other bytes stand for what is not UTF-8.
    if http.body or length not in (None, str(len(http.raw_body))):
        return None
    return http.raw_body


def _ok(exchange: Exchange, *, marks_path: bool) -> bytes:
    request = exchange.request
    if exchange.new_request_body is not None:
        raise ProtocolError("a plugin replaced the body, which ext_authz can't carry: use ext_proc")
    parts: list[bytes] = []
    for name, values in request.headers.changes():
        # Envoy removes after it sets, and a second option of a name replaces the first.
        parts.append(_header(_SET, name, ", ".join(values)) if values else sized(_REMOVE, name.encode()))
    parts += [_header(_SET, *field) for field in line_changes(request, marks_path=marks_path)]
    # Without `append: false` upstream's value would stand beside it.
    parts += [_header(_REPLY, name, ", ".join(values), _REPLACES) for name, values in request.reply_changes()]
    return _PASSED + sized(_OK_RESPONSE, b"".join(parts))


def _denied(verdict: Reply) -> bytes:
    # `append` stays unset: that keeps repeated names apart, and with it Envoy would drop the header.
    headers = [_header(_SET, name, value) for name, value in verdict.headers]
    if verdict.grpc_status is not None:
        headers.append(_header(_SET, "grpc-status", str(verdict.grpc_status)))
    _check_text(verdict.body, "reply's body")
    status = sized(_STATUS, _CODE + number(verdict.status))
    return _REFUSED + sized(_DENIED_RESPONSE, status + b"".join(headers) + sized(_BODY, verdict.body))


_refuse_unread = refusing(_denied)


def _header(where: bytes, name: str, value: str, append: bytes = b"") -> bytes:
    # ext_authz reads only value; raw_value arrives empty.
    _check_text(value.encode("utf-8", "surrogateescape"), f"value of {name}")
    return text_header(where, name, value, append)


def _check_text(raw: bytes, what: str) -> None:
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise ProtocolError(f"the {what} is not UTF-8, which ext_authz can't carry: use ext_proc") from None
