"""Reads what Kong answers into the one form that requests have behind every gateway."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from outrider.authority import split_authority
from outrider.chain import Chain
from outrider.headers import Fields, Headers
from outrider.needs import Fact
from outrider.received import Route
from outrider.request import Request
from outrider.response import Response
from outrider_kong import calls
from outrider_kong.calls import HEADERS_CAP, Call
from outrider_kong.errors import ProtocolError

_DOTS: Final = re.compile(r"/(?:[.]|%2[eE]){1,2};")
# Envoy takes these off before a plugin sees them; so do we, for one form behind both.
_OF_THE_CONNECTION: Final = ("connection", "keep-alive", "proxy-connection")


class UnfitRequestError(Exception):
    """A request that nothing can be decided about, with the refusal that downstream gets."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Facts(NamedTuple):
    """What Kong tells of a request beside its headers; empty where nobody asked."""

    id: str = ""
    """Kong's own number of the request, the same in all its phases."""
    method: str = "GET"
    scheme: str = "http"
    client: str = ""
    host: str = ""
    """Where Kong routes to: in `GET http://other/` it is not what the Host header says."""
    service: str = ""
    route: str = ""
    tags: str = ""
    target: str = "/"
    so_far: str = ""
    """What plugins that run by themselves have found out before."""

    @classmethod
    def of_text(cls, text: str) -> "Facts":
        """What the pre-function keeps in kong.ctx.shared, one in a line. Raises `ProtocolError`."""
        lines = text.split("\n")
        if len(lines) not in (len(cls._fields) - 1, len(cls._fields)):
            raise ProtocolError("kong.ctx.shared.outrider_request has another form: render the pre-function again")
        return cls(*lines)

    def to_text(self, so_far: str) -> str:
        """The same for the plugins behind."""
        return "\n".join(self._replace(so_far=so_far))

    @property
    def place(self) -> Route:
        """The route that Kong chose."""
        return Route(self.route, self.service, tuple(self.tags.split(",")) if self.tags else ())


_CALLS: Final[tuple[tuple[Fact, str, Call], ...]] = (
    ("method", "method", calls.GET_METHOD),
    ("path", "target", calls.GET_TARGET),
    ("host", "scheme", calls.GET_SCHEME),
    ("host", "host", calls.GET_HOST),
    ("client", "client", calls.GET_CLIENT),
)


class SingleCalls:
    """The facts that a chain's plugins need, each by a call of its own: where Kong has no pre-function of ours."""

    def __init__(self, chain: Chain) -> None:
        asked = [(name, call) for fact, name, call in _CALLS if fact in chain.facts]
        place = (calls.GET_ID, calls.GET_ROUTE, calls.GET_SERVICE)
        self.calls: tuple[Call, ...] = (*(call for _, call in asked), *place)
        self._names = tuple(name for name, _ in asked)

    def facts(self, answers: Sequence[Any]) -> Facts:
        """What was answered."""
        number, (route, tags), service = answers[-3:]
        told: dict[str, str] = dict(zip(self._names, answers, strict=False))
        return Facts(id=number, route=route, tags=",".join(tags), service=service, **told)


def request_of(fields: Fields, facts: Facts) -> Request:
    """The request. Raises `UnfitRequestError`, and `ProtocolError` for one without a method or a path."""
    if sum(map(len, fields.values())) >= HEADERS_CAP:
        # There may be more than Kong tells: what is behind them is not known.
        raise UnfitRequestError(431, "The headers are too large")
    if not facts.id or not facts.method or not facts.target:
        raise ProtocolError("a request without a number, a method or a path")
    if ";" in facts.target and _DOTS.search(facts.target.partition("?")[0]):
        # Kong sends it on as it is, and some servers read `..;` as `..`.
        raise UnfitRequestError(400, "The path is ambiguous")
    authority = fields.pop("host", [""])[0]
    if facts.host not in ("", authority) and split_authority(authority)[0] != split_authority(facts.host)[0]:
        authority = facts.host
    fields.pop("transfer-encoding", None)
    if "upgrade" not in fields:
        for name in _OF_THE_CONNECTION:
            fields.pop(name, None)
    return Request(
        facts.method,
        facts.target,
        headers=Headers.received(fields),
        authority=authority,
        scheme=facts.scheme,
        client=facts.client,
    )


def response_of(status: int, fields: Fields) -> Response:
    """Upstream's answer. Raises `ProtocolError` for a status that is none."""
    if not 100 <= status <= 599:
        raise ProtocolError(f"a response with the status {status}")
    if sum(map(len, fields.values())) >= HEADERS_CAP:
        raise ProtocolError(f"a response with {HEADERS_CAP} headers or more, of which nginx tells no more")
    for name in (*_OF_THE_CONNECTION, "transfer-encoding"):
        fields.pop(name, None)
    return Response.received(status, Headers.received(fields))
