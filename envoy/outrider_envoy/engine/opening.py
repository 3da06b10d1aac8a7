"""What a call begins with: its header fields, checked once (RFC 9113, section 8; gRPC over HTTP/2, Requests)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from outrider_envoy.engine.faults import ErrorCode, StreamResetError

Field = tuple[bytes, bytes]

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE = re.compile(rb"[^\x00\r\n]*")
_PSEUDO: Final = frozenset({b":method", b":scheme", b":path", b":authority"})
_REQUIRED: Final = (b":method", b":scheme", b":path")
_CONNECTION: Final = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_CONTENT_TYPE = re.compile(rb"application/grpc(?:[+;].*)?")


@dataclass(frozen=True, slots=True)
class Opening:
    """The header fields of a call. Made once for equal header blocks, so nothing may change it.

    `http_status` is set if this is no gRPC call: the status to answer with. `timeout` is in seconds, None without a
    limit. `encoding` is what compressed messages would be compressed with, `length` what content-length announces.
    """

    path: str
    metadata: Mapping[str, str]
    timeout: float | None = None
    encoding: str = "identity"
    length: int | None = None
    http_status: int | None = None
    bad_timeout: bool = False


def opened(fields: Iterable[Field]) -> Opening:
    """Raises `StreamResetError` if the fields are malformed (RFC 9113, section 8.1.1)."""
    pseudo, regular = _parted(fields)
    # Of a name that comes twice the first counts; of grpc-timeout and content-type the last, as with grpcio.
    metadata = {name.decode("ascii"): value.decode("utf-8", "replace") for name, value in reversed(regular)}
    timeout = _last(regular, b"grpc-timeout")
    seconds = _seconds(timeout) if timeout is not None else None
    return Opening(
        pseudo[b":path"].decode("utf-8", "replace"),
        metadata,
        seconds,
        metadata.get("grpc-encoding", "identity"),
        _length(regular),
        _http_status(pseudo[b":method"], _last(regular, b"content-type")),
        bad_timeout=timeout is not None and seconds is None,
    )


def check_trailers(fields: Iterable[Field]) -> None:
    """Checks trailers, which a gRPC client has no use for. Raises `StreamResetError`."""
    if _parted(fields, trailers=True)[0]:
        raise _malformed("pseudo-header fields in trailers")


def _parted(fields: Iterable[Field], *, trailers: bool = False) -> tuple[dict[bytes, bytes], list[Field]]:
    """Pseudo-header fields, and the others (sections 8.2, 8.3)."""
    pseudo: dict[bytes, bytes] = {}
    regular: list[Field] = []
    for name, value in fields:
        if not _VALUE.fullmatch(value) or value[:1] in (b" ", b"\t") or value[-1:] in (b" ", b"\t"):
            raise _malformed("a field value with bytes that it can't have")
        if name.startswith(b":"):
            if name not in _PSEUDO or name in pseudo or regular:
                raise _malformed("a pseudo-header field that is unknown, repeated or too late")
            pseudo[name] = value
        elif not _NAME.fullmatch(name) or name in _CONNECTION or (name == b"te" and value != b"trailers"):
            raise _malformed("a field that HTTP/2 does not have")
        else:
            regular.append((name, value))
    if not trailers and not all(pseudo.get(name) for name in _REQUIRED):
        raise _malformed("no :method, :scheme or :path")
    return pseudo, regular


def _length(fields: Iterable[Field]) -> int | None:
    """What content-length announces (section 8.1.1)."""
    lengths = {value for name, value in fields if name == b"content-length"}
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > 18:
        raise _malformed("a content-length that is none")
    return int(length)


def _http_status(method: bytes, content_type: bytes | None) -> int | None:
    """The answer to what is no gRPC call."""
    if method != b"POST":
        return 405
    return None if content_type is not None and _CONTENT_TYPE.fullmatch(content_type) else 415


def _seconds(timeout: bytes) -> float | None:
    match = _TIMEOUT.fullmatch(timeout)
    return int(match[1]) * _UNITS[match[2]] if match else None


def _malformed(what: str) -> StreamResetError:
    return StreamResetError(ErrorCode.PROTOCOL_ERROR, what)


def _last(fields: Iterable[Field], wanted: bytes) -> bytes | None:
    found = None
    for name, value in fields:
        if name == wanted:
            found = value
    return found
