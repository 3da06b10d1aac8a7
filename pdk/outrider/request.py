"""A request, in the one form that it has behind every gateway."""

import re
import uuid
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import NamedTuple

from outrider.carried import Carried
from outrider.consumer import JSON, Consumer
from outrider.errors import ContractError, ReplyError, UndeclaredError
from outrider.headers import Headers, HeaderSource
from outrider.needs import REWRITES, Rewrite
from outrider.peer import Peer
from outrider.received import Received, Route
from outrider.reply_headers import SENT, ReplyHeaders
from outrider.request_line import checked_method, checked_path

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:=@/+-]{1,128}")
_NOT_IN_QUERY = re.compile(r"[^\x21\x22\x24-\x7e]")  # all but printable ASCII without the fragment's #


def is_grpc_type(content_type: str) -> bool:
    """Whether that is the content type of a gRPC call (gRPC over HTTP/2, Requests)."""
    return content_type == "application/grpc" or content_type.startswith(("application/grpc+", "application/grpc;"))


_NO_CLAIMS: Mapping[str, JSON] = {}
_NO_NAMES: frozenset[str] = frozenset()


class RequestState(NamedTuple):
    """All that a hook can change, so that a failed one can be undone."""

    headers: Headers
    query: str
    query_changed: bool
    upstream_path: str | None
    upstream_method: str | None
    reply_headers: Headers | None
    context: dict[str, JSON]
    consumer: Consumer | None
    credential: str | None
    claims: Mapping[str, JSON]
    id: str
    trace_id: str


def is_request_id(text: str) -> bool:
    """Whether `text` may be a request's id: it fits into any log line and any header."""
    return _REQUEST_ID.fullmatch(text) is not None


class Request(Received):
    """One request on its way from downstream to upstream.

    `path` and `query` are raw, as downstream sent them (`query` without `?`); `normal_path` is what policies
    compare. `host` is lower-case and without `port`. `client` is the caller's address as the gateway believes
    it. Set `headers`, `query`, `upstream_path` and `upstream_method` to change what upstream gets, `reply_headers`
    for what downstream gets whatever answers, `consumer` to say who calls, and `context` to hand plain JSON data to
    later phases. `trace_id` is the trace that the request belongs to, 32 hexadecimal digits, empty without one.
    """

    __slots__ = (
        "_headers",
        "_id",
        "_query",
        "_query_changed",
        "_reply_headers",
        "_reply_names",
        "_rewrites",
        "_upstream_method",
        "_upstream_path",
        "body_skipped",
        "carried",
        "challenges",
        "claims",
        "consumer",
        "context",
        "credential",
        "trace_id",
    )

    def __init__(
        self,
        method: str = "GET",
        target: str = "/",
        *,
        headers: Headers | HeaderSource = (),
        authority: str = "localhost",
        scheme: str = "http",
        client: str | Callable[[], str] = "127.0.0.1",
        peer: Peer | Callable[[], Peer | None] | None = None,
        route: Route | None = None,
    ) -> None:
        self._headers: Headers = headers if isinstance(headers, Headers) else Headers(headers)
        self.context: dict[str, JSON] = {}
        self.consumer: Consumer | None = None
        self.credential: str | None = None
        self.claims: Mapping[str, JSON] = _NO_CLAIMS
        path, _, self._query = target.partition("?")
        super().__init__(method, path, authority=authority, scheme=scheme, client=client, peer=peer, route=route)
        self._query_changed = False
        self._upstream_path: str | None = None
        self._upstream_method: str | None = None
        self._rewrites = REWRITES
        self._id = ""
        self.trace_id = ""
        self.body_skipped = False
        self.carried: Carried | None = None
        self.challenges: tuple[str, ...] = ()
        self._reply_headers: Headers | None = None
        self._reply_names: frozenset[str] = _NO_NAMES

    @property
    def headers(self) -> Headers:
        """The header fields, to read and to change in place."""
        return self._headers

    @headers.setter
    def headers(self, _: Headers) -> None:
        raise ContractError("request.headers was replaced: change it in place")

    @property
    def upstream_method(self) -> str | None:
        """The method that upstream gets; None for downstream's own.

        Setting it raises `ReplyError` for what is no method of upstreams, and where downstream sent HEAD or CONNECT.
        """
        return self._upstream_method

    @upstream_method.setter
    def upstream_method(self, method: str) -> None:
        self._check_declared("method")
        self._upstream_method = checked_method(method, self._method)

    @property
    def upstream_path(self) -> str | None:
        """The raw path below the service's own that upstream gets, in place of what the route leaves of `path`.

        None for that. Setting it raises `ReplyError` for what is no path, already percent-encoded, and for segments
        of dots.
        """
        return self._upstream_path

    @upstream_path.setter
    def upstream_path(self, path: str) -> None:
        self._check_declared("path")
        self._upstream_path = checked_path(path)

    @property
    def query(self) -> str:
        """The raw query string, without `?`; set it to change what upstream gets (already encoded)."""
        return self._query

    @query.setter
    def query(self, query: str) -> None:
        # What downstream itself sent raw may stay.
        if set(_NOT_IN_QUERY.findall(query)).difference(self._query):
            raise ReplyError("the query has characters that must be percent-encoded: use urllib.parse.urlencode")
        self._query = query
        self._query_changed = True

    @property
    def target(self) -> str:
        """Path and query as one, the request target of RFC 9112, section 3.2.1."""
        return f"{self._path}?{self._query}" if self._query else self._path

    @property
    def line_changed(self) -> bool:
        """For adapters: whether a plugin changed the method, the path or the query."""
        return self._query_changed or self._upstream_path is not None or self._upstream_method is not None

    @property
    def query_changed(self) -> bool:
        """For adapters: whether a plugin changed the query."""
        return self._query_changed

    @property
    def id(self) -> str:
        """What this request is called in logs and refusals.

        A well-formed `x-request-id` that the gateway passed on, else a random one; the plugin correlation-id sets it.
        """
        if not self._id:
            given = self.headers.get("x-request-id", "")
            self._id = given if is_request_id(given) else str(uuid.uuid4())
        return self._id

    @id.setter
    def id(self, value: str) -> None:
        if not is_request_id(value):
            raise ReplyError("a request's id is 1 to 128 letters, digits and ._:=@/+-")
        self._id = value

    @property
    def reply_headers(self) -> Headers:
        """Headers that downstream gets whatever answers, over upstream's; their names are declared in `needs()`."""
        if self._reply_headers is None:
            self._reply_headers = ReplyHeaders(self._reply_names)
        return self._reply_headers

    def declare_reply_headers(self, names: frozenset[str]) -> None:
        """For the chain: the names that may be set in `reply_headers`, which are empty again."""
        self._reply_names = names
        self._reply_headers = None

    def declare_rewrites(self, rewrites: frozenset[Rewrite]) -> None:
        """For the chain: what its plugins have declared in `needs()`."""
        self._rewrites = rewrites

    def restore_line(self, method: str | None, path: str | None) -> None:
        """For handing over: the method and the path that upstream got."""
        self._upstream_method, self._upstream_path = method, path

    def _check_declared(self, rewrite: Rewrite) -> None:
        if rewrite not in self._rewrites:
            remedy = f"add Needs(rewrites=frozenset({{{rewrite!r}}})) to needs() of this plugin"
            raise UndeclaredError(f"request.upstream_{rewrite} was set and not declared: {remedy}")

    def seal_reply_headers(self) -> None:
        """For the chain: they have been sent, and a change would change nothing."""
        self._reply_names = SENT
        if self._reply_headers is not None:
            self._reply_headers.seal()

    def reply_changes(self) -> list[tuple[str, list[str]]]:
        """For adapters: what the plugins put into `reply_headers`, and left there."""
        if self._reply_headers is None:
            return []
        return [(name, values) for name, values in self._reply_headers.changes() if any(values)]

    def skip_body(self) -> None:
        """In `on_request`: this plugin's body and chunk hooks are not needed for this request.

        Where no other plugin needs the body either, it passes without a detour.
        """
        self.body_skipped = True

    @property
    def is_grpc(self) -> bool:
        return is_grpc_type(self.headers.get("content-type", ""))

    @property
    def whole(self) -> "Request":
        """For the chain: the request with all of its facts, whatever a plugin may see of it."""
        return self

    def show(self, fields: Mapping[str, list[str]], query: str | None) -> None:
        """For a copy that plugins look at: header fields and a query as they were before."""
        now = {name: self._headers.get_all(name) for name in self._headers}
        self._headers = Headers.received(now | {name: values.copy() for name, values in fields.items()})
        self._query = self._query if query is None else query

    def snapshot(self) -> RequestState:
        """For the chain: all that a hook can change."""
        return RequestState(
            self.headers.copy(),
            self._query,
            self._query_changed,
            self._upstream_path,
            self._upstream_method,
            self._reply_headers.copy() if self._reply_headers is not None else None,
            deepcopy(self.context),
            self.consumer,
            self.credential,
            deepcopy(self.claims),
            self._id,
            self.trace_id,
        )

    def restore(self, state: RequestState) -> None:
        """For the chain: undoes what a failed hook changed."""
        self.headers.adopt(state.headers)
        self._query, self._query_changed = state.query, state.query_changed
        self._upstream_path, self._upstream_method = state.upstream_path, state.upstream_method
        self._reply_headers, self.context = state.reply_headers, state.context
        self.consumer, self.credential, self.claims = state.consumer, state.credential, state.claims
        self._id, self.trace_id = state.id, state.trace_id

    def __repr__(self) -> str:
        return f"<Request {self._method} {self._path} route={self.route.name}>"
