"""Who is believed about whom: real addresses, and the headers that Kong sets towards upstream."""

from ipaddress import IPv4Network, IPv6Network, ip_address

from outrider_kong.stand_in.exchange import Exchange, Request
from outrider_kong.stand_in.headers import Item
from outrider_kong.stand_in.settings import Settings

SERVER = b"kong/3.9.1"
# What nginx sets itself or does not hand on.
OWN = frozenset(
    b"te via host upgrade connection x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port "
    b"x-forwarded-path x-forwarded-prefix x-real-ip x-kong-request-id content-length transfer-encoding keep-alive "
    b"expect proxy proxy-connection".split()
)


def trusts(networks: tuple[IPv4Network | IPv6Network, ...], address: str) -> bool:
    """Whether an address is one of trusted_ips."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def real_address(request: Request, settings: Settings) -> str:
    """The client's address: a trusted peer's real_ip_header, else the peer's own."""
    given = request.headers.all(settings.real_ip_header.encode())
    if not given or not trusts(settings.trusted_ips, request.peer):
        return request.peer
    address = request.peer
    for text in reversed([part.strip().decode("latin-1") for value in given for part in value.split(b",")]):
        try:
            address = str(ip_address(text))
        except ValueError:
            return address
        if not (settings.real_ip_recursive and trusts(settings.trusted_ips, address)):
            return address
    return address


def upstream_headers(exchange: Exchange, length: int | None) -> list[Item]:
    """All header fields that go upstream: Kong's own, then downstream's as plugins left them."""
    request, matched = exchange.request, exchange.matched
    trusted = exchange.node.trusts(request.peer)
    prefix = matched.prefix if matched and matched.prefix != b"/" else None
    own = [
        (b"Via", _joined(request, b"via", b"%s %s" % (request.version.encode(), SERVER))),
        (b"Host", exchange.target.host_header or b""),
        (b"Connection", b"keep-alive"),
        (b"X-Forwarded-For", _joined(request, b"x-forwarded-for", request.peer.encode())),
        (b"X-Forwarded-Proto", _given(request, b"x-forwarded-proto", request.scheme.encode(), trusted)),
        (b"X-Forwarded-Host", _given(request, b"x-forwarded-host", request.host, trusted)),
        (b"X-Forwarded-Port", _given(request, b"x-forwarded-port", b"%d" % request.server_port, trusted)),
        (b"X-Forwarded-Path", _given(request, b"x-forwarded-path", request.path, trusted)),
        (b"X-Forwarded-Prefix", _given(request, b"x-forwarded-prefix", prefix or b"", trusted)),
        (b"X-Real-IP", request.address.encode()),
        (b"X-Kong-Request-Id", exchange.id.encode()),
        (b"TE", b"trailers" if b"trailers" in (request.headers.get(b"te") or b"") else b""),
        (b"Content-Length", b"" if length is None else b"%d" % length),
    ]
    dropped = OWN | named_by_connection(request.headers.get(b"connection"))
    handed_on = [item for item in request.headers if item[0].lower() not in dropped]
    return [item for item in own if item[1]] + handed_on


def named_by_connection(value: bytes | None) -> frozenset[bytes]:
    """The header names that belong to one hop only."""
    return frozenset(part.strip().lower() for part in (value or b"").split(b","))


def _joined(request: Request, name: bytes, addition: bytes) -> bytes:
    before = request.headers.get(name)
    return before + b", " + addition if before else addition


def _given(request: Request, name: bytes, otherwise: bytes, trusted: bool) -> bytes:
    return (request.headers.get(name) or otherwise) if trusted else otherwise
