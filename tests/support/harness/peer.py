"""An upstream driven by hand: what happens in the middle of a message."""

import select
import socket
from contextlib import suppress
from typing import Self
from uuid import uuid4

from harness import http1
from harness.bootstrap import HTTP, Config, cluster, typed

DEADLINE = 15.0
TRAILERS: Config = {"http_protocol_options": {"enable_trailers": True}}
"""For the connection manager, so that HTTP/1.1 trailers come through."""


class Wire:
    """One connection, of either side; bytes out, and bytes in up to a mark."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._socket.settimeout(DEADLINE)
        self._read = b""
        self.head = b""

    def send(self, data: bytes) -> Self:
        """An end by the gateway is no error: tests read what it sent."""
        with suppress(ConnectionError):
            self._socket.sendall(data)
        return self

    def chunk(self, data: bytes) -> Self:
        return self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def until(self, mark: bytes) -> bytes:
        """What came up to the mark, with it."""
        while mark not in self._read:
            self._more()
        before, _, self._read = self._read.partition(mark)
        return before + mark

    def body(self) -> bytes:
        """A whole chunked body, without its framing and up to its trailers."""
        whole = b""
        while size := int(self.until(b"\r\n"), 16):
            while len(self._read) < size + 2:
                self._more()
            whole += self._read[:size]
            self._read = self._read[size + 2 :]
        return whole

    def take(self, size: int) -> bytes:
        """Exactly so many bytes."""
        while len(self._read) < size:
            self._more()
        taken, self._read = self._read[:size], self._read[size:]
        return taken

    def some(self) -> bytes:
        """What has come, at least one byte."""
        if not self._read:
            self._more()
        done, self._read = self._read, b""
        return done

    @property
    def extra(self) -> bytes:
        """What has come already behind what was read."""
        return self._read

    def rest(self) -> bytes:
        """What came until the other side closed."""
        while data := self._receive():
            self._read += data
        done, self._read = self._read, b""
        return done

    def pour(self, total: int, block: bytes = bytes(65536)) -> int:
        """Sends so many bytes, in whole blocks; how many went out before the other side closed."""
        sent = 0
        with suppress(ConnectionError):
            while sent < total:
                self._socket.sendall(block)
                sent += len(block)
        return sent

    def drain(self) -> int:
        """How many bytes come until the other side closes; none is kept."""
        came, self._read = len(self._read), b""
        while data := self._receive():
            came += len(data)
        return came

    def fill(self, most: int) -> int:
        """How many of `most` bytes the other side takes before it takes none for half a second."""
        self._socket.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < most:
                sent += self._socket.send(bytes(min(65536, most - sent)))
        return sent

    def hears(self, seconds: float) -> bool:
        """Whether anything comes within this time."""
        return bool(select.select([self._socket], [], [], seconds)[0])

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> None:
        data = self._receive()
        assert data, f"closed too early, after {self._read!r}"
        self._read += data

    def _receive(self) -> bytes:
        with suppress(ConnectionError):
            return self._socket.recv(65536)
        return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def client(port: int) -> Wire:
    return Wire(http1.connect(port))


class Peer:
    """Listens on a free port of loopback; each test has its own, so that no late connection meets another."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE)
        self._wires: list[Wire] = []
        # A port may be given again: an Envoy that an earlier peer had is none for this one, as it has counted.
        self._name = uuid4().hex
        self.port: int = self._listener.getsockname()[1]

    @property
    def cluster(self) -> Config:
        """Takes the place of the usual upstream."""
        options = {HTTP.split("/")[1]: typed(HTTP, explicit_http_config=TRAILERS)}
        return cluster("upstream", self.port, typed_extension_protocol_options=options, alt_stat_name=self._name)

    def accept(self) -> Wire:
        """The next request's connection, after its headers."""
        self._wires.append(Wire(self._listener.accept()[0]))
        self._wires[-1].head = self._wires[-1].until(b"\r\n\r\n")
        return self._wires[-1]

    def twin(self) -> socket.socket:
        """The same listening socket, for a server of another library."""
        return self._listener.dup()

    def reset(self) -> None:
        """Closes what is open, for the next test."""
        while self.reached(0):
            self._wires.append(Wire(self._listener.accept()[0]))
        while self._wires:
            self._wires.pop().close()

    def reached(self, seconds: float) -> bool:
        """Whether a request comes within this time."""
        return bool(select.select([self._listener], [], [], seconds)[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for wire in self._wires:
            wire.close()
        self._listener.close()
