"""One ext_authz check as a state machine: one message in, one out, no I/O. It has the request phase only."""

import logging
from collections.abc import MutableSequence
from typing import cast

from outrider.exchange import Exchange, Walk
from outrider.request import Request
from outrider.response import Refusal
from outrider.verdict import NO_ROUTE, PASS, UNCHECKED, Reply, Verdict, reply
from outrider.waiting import Wait
from outrider_envoy.errors import ProtocolError
from outrider_envoy.marks import DECIDED
from outrider_envoy.proto.core_pb2 import HeaderValue, HeaderValueOption
from outrider_envoy.proto.ext_authz_pb2 import CheckRequest, CheckResponse, Status
from outrider_envoy.reading import checked_request, is_partial, refused_upgrade
from outrider_envoy.selection import ROUTE_KEY, Chains

_log = logging.getLogger("outrider.envoy")

BODY_KEY = "outrider-body"
"""The context extension by which a route says that its checks bring the body."""
WHOLE = "whole"

_OK, _PERMISSION_DENIED = 0, 7

Answer = CheckResponse | Wait


class Check:
    """One check. `receive` gives the answer, or a `Wait`: let it settle, then call `resume`. `close` at the end."""

    def __init__(self, chains: Chains, route: str | None, client: str | None = None) -> None:
        self._chains = chains
        self._route = route
        self._client = client
        self._exchange: Exchange | None = None
        self._walk: Walk | None = None
        self._body: bytes | None = None
        self._broken = False

    def receive(self, message: CheckRequest) -> Answer:
        """The answer to the check."""
        try:
            request = checked_request(message, self._client)
            named = message.attributes.context_extensions.get(ROUTE_KEY, self._route)
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

    def resume(self) -> Answer:
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

    def _advance(self, sent: bytes | None) -> Answer:
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

    def _decide(self, verdict: Verdict) -> CheckResponse:
        if verdict is not PASS:
            return _denied(cast("Reply", verdict))
        return _ok(cast("Exchange", self._exchange))

    def _refuse(self, error: ProtocolError) -> CheckResponse:
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


def _ok(exchange: Exchange) -> CheckResponse:
    request = exchange.request
    if exchange.new_request_body is not None:
        raise ProtocolError("a plugin replaced the body, which ext_authz can't carry: use ext_proc")
    # Without a status the request would be allowed too; it is written all the same, as every verdict is.
    answer = CheckResponse(status=Status(code=_OK))
    answer.dynamic_metadata.update({DECIDED: True})
    ok = answer.ok_response
    ok.SetInParent()
    for name, values in request.headers.changes():
        # Envoy removes after it sets, and a second option of a name replaces the first.
        if values:
            _add(ok.headers, name, ", ".join(values))
        else:
            ok.headers_to_remove.append(name)
    if request.target_changed:
        _add(ok.headers, ":path", request.target)
    for name, values in request.reply_changes():
        # Without `append: false` upstream's value would stand beside it.
        _add(ok.response_headers_to_add, name, ", ".join(values)).append.value = False
    return answer


def _denied(verdict: Reply) -> CheckResponse:
    answer = CheckResponse(status=Status(code=_PERMISSION_DENIED))
    denied = answer.denied_response
    denied.status.code = verdict.status
    for name, value in verdict.headers:
        # `append` stays unset: that keeps repeated names apart, and with it Envoy would drop the header.
        _add(denied.headers, name, value)
    if verdict.grpc_status is not None:
        _add(denied.headers, "grpc-status", str(verdict.grpc_status))
    denied.body = _text(verdict.body, "reply's body")
    return answer


def _add(options: MutableSequence[HeaderValueOption], name: str, value: str) -> HeaderValueOption:
    # ext_authz reads only value; raw_value arrives empty.
    text = _text(value.encode("utf-8", "surrogateescape"), f"value of {name}")
    options.append(HeaderValueOption(header=HeaderValue(key=name, value=text)))
    return options[-1]


def _text(raw: bytes, what: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise ProtocolError(f"the {what} is not UTF-8, which ext_authz can't carry: use ext_proc") from None
