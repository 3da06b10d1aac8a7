"""What a gateway tells of a request, and nobody changes."""

from collections.abc import Callable
from dataclasses import dataclass, field

from outrider.authority import split_authority
from outrider.errors import ContractError, UndeclaredError
from outrider.paths import normal_path
from outrider.peer import Peer


@dataclass(frozen=True, slots=True)
class Route:
    """The route that the gateway chose, and its service."""

    name: str
    service: str = ""
    tags: tuple[str, ...] = field(default=())


NO_ROUTE = Route("")


class Received:
    """The facts of a request; `Request` adds what plugins change."""

    __slots__ = ("_authority", "_client", "_method", "_path", "_peer", "route", "scheme", "tells_peer")

    def __init__(
        self,
        method: str,
        path: str,
        *,
        authority: str,
        scheme: str,
        client: str | Callable[[], str],
        peer: Peer | Callable[[], Peer | None] | None,
        route: Route | None,
    ) -> None:
        self._method = method
        self._path = path
        self._authority = authority
        self.scheme = scheme
        self._client = client
        self._peer = peer
        self.tells_peer = True
        self.route: Route = route or NO_ROUTE

    @property
    def method(self) -> str:
        """The method as downstream sent it."""
        return self._method

    @method.setter
    def method(self, _: str) -> None:
        raise ContractError("request.method was set, which is what downstream sent: set request.upstream_method")

    @property
    def path(self) -> str:
        """The raw path, without the query."""
        return self._path

    @property
    def normal_path(self) -> str:
        """The path with escapes, dots and doubled slashes resolved: compare this one, never `path`."""
        return normal_path(self._path)

    @property
    def authority(self) -> str:
        """Host and port as sent: the Host header or `:authority`."""
        return self._authority

    @property
    def host(self) -> str:
        return split_authority(self._authority)[0]

    @property
    def port(self) -> int | None:
        return split_authority(self._authority)[1]

    @property
    def client(self) -> str:
        """The caller's IP address, as far as the gateway trusts what it was told."""
        if not isinstance(self._client, str):
            self._client = self._client()
        return self._client

    @property
    def peer(self) -> Peer | None:
        """The client by the certificate that it has shown in TLS; None if it has shown none.

        A plugin that looks at it declares the fact `peer` in `needs()`: the gateway sends it to nobody else.
        """
        if not self.tells_peer:
            raise UndeclaredError("request.peer needs the fact 'peer': add it to needs() of this plugin")
        if callable(self._peer):
            self._peer = self._peer()
        return self._peer
