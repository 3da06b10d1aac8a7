"""What Kong answers to a request that meets a route of another protocol: TLS that is missing, or gRPC."""

from outrider_kong.stand_in.entities import Route
from outrider_kong.stand_in.exchange import Request

Reply = tuple[str, list[object]]
"""A function of Kong's, and what it is called with."""


def mismatch(route: Route, request: Request) -> Reply | None:
    """The stand-in has no TLS."""
    protocols = route.strings("protocols")
    if "https" in protocols and "http" not in protocols:
        return _to_tls(int(route.table["https_redirect_status_code"]), request)
    if {"grpc", "grpcs"} & set(protocols) and not _is_grpc(request):
        return "kong.response.error", [415, b"Non-gRPC request matched gRPC route"]
    return None


def _to_tls(status: int, request: Request) -> Reply:
    if status == 426:
        upgrade = {b"Connection": b"Upgrade", b"Upgrade": b"TLS/1.2, HTTP/1.1"}
        return "kong.response.error", [status, b"Please use HTTPS protocol", upgrade]
    location = b"https://" + request.host + request.target
    return "kong.response.exit", [status, None, {b"Location": location}]


def _is_grpc(request: Request) -> bool:
    return (request.headers.get(b"content-type") or b"").startswith(b"application/grpc")
