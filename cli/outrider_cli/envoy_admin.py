"""Reads the admin interface of an Envoy that somebody else started."""

import http.client
import json
import re
import socket
import time
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from threading import Timer
from typing import Any, Final, cast

import click

from outrider.errors import OutriderError, StartError
from outrider_cli.unix_http import UnixConnection

PATIENCE: Final = 10.0
"""How long the whole answer may take, in seconds."""
LONGEST: Final = 256 * 1024 * 1024
"""The longest answer that is read, in bytes."""

_UNIX: Final = "unix:"
_ADDRESS: Final = re.compile(r"(?:http://)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):(?P<port>[0-9]{1,5})/?")
_NO_ENVOY: Final = "no Envoy's admin interface: give the address of that"


def checked(address: str) -> str:
    """The address of an admin interface as it was given. Raises `BadParameter` if it has no known form."""
    found = _ADDRESS.fullmatch(address)
    if address.startswith(f"{_UNIX}/") or (found and 0 < int(found["port"]) < 1 << 16):
        return address
    raise click.BadParameter(f"{address!r} is no address: give HOST:PORT, http://HOST:PORT or unix:/PATH")


def config_dump(address: str, patience: float = PATIENCE) -> dict[str, Any]:
    """All that the Envoy runs with, and the endpoints that it knows.

    Raises `StartError` if nobody answers in time, and `OutriderError` for an answer that is not an Envoy's. Redirects
    are not followed.
    """
    text = _asked(address, "/config_dump?include_eds", patience)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise OutriderError(f"{address}: what answers there is {_NO_ENVOY}")
    return cast("dict[str, Any]", found)


def _asked(address: str, path: str, patience: float) -> bytes:
    deadline = time.monotonic() + patience
    try:
        with closing(_connection(address, patience)) as connection, _ending(connection, patience):
            connection.request("GET", path)
            text = _read(connection.getresponse(), address)
        # What the connection's end has cut short looks whole.
        if time.monotonic() > deadline:
            raise TimeoutError
        return text
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, TimeoutError) or time.monotonic() > deadline:
            raise _unanswered(address, f"it took more than {patience:g} s") from None
        if isinstance(error, OSError) and not isinstance(error, http.client.HTTPException):
            raise _unanswered(address, error.strerror or "it ended the connection") from None
        raise OutriderError(f"{address}: what answers there is {_NO_ENVOY}") from None


def _unanswered(address: str, why: str) -> StartError:
    return StartError(f"{address}: no Envoy's admin interface answers there ({why}): is it running?")


def _read(answer: http.client.HTTPResponse, address: str) -> bytes:
    if answer.status != http.client.OK:
        raise OutriderError(f"{address}: what answers there (with {answer.status}) is {_NO_ENVOY}")
    text = answer.read(LONGEST + 1)
    if len(text) > LONGEST:
        raise OutriderError(f"{address}: it answers with more than {LONGEST >> 20} MiB, which is not read")
    return text


@contextmanager
def _ending(connection: http.client.HTTPConnection, patience: float) -> Generator[None]:
    """Connects, and ends the connection after so many seconds, however slowly the answer comes."""
    connection.connect()
    timer = Timer(patience, _end, [connection.sock])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _connection(address: str, timeout: float) -> http.client.HTTPConnection:
    if address.startswith(_UNIX):
        return UnixConnection(address.removeprefix(_UNIX), timeout)
    host, _, port = address.removeprefix("http://").rstrip("/").rpartition(":")
    return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout)
