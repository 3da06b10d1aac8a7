"""Streams that stay open, as while a slow upstream works: the worker's memory, and what one more decision costs."""

import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hpack import Encoder

from clocks import memory
from four import Four
from gateways import file
from harness.http2_frames import (
    PREFACE,
    SETTINGS_ACK,
    Kind,
    Part,
    Reader,
    data,
    headers,
    joined,
    number,
    settings,
    window_update,
)
from measuring import Effort, Figures, Row, counted, interleaved
from messages import PROCESS, body_file, framed, opening, request_headers, response_headers
from noops import plugin_files
from outrider_envoy.limits import STREAM_LIMIT
from straight import Ask
from workers import Worker, outrider

SIZES = (1, 100, 1_000, STREAM_LIMIT - 100)
"""The last leaves room for the streams that are measured."""
A_CONNECTION = 500
BATCH = 20


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = stack.enter_context(plugin_files(1))
        four = Four(folder)
        config = file(1, *four.plugins, {"name": "both-phases"}, plugin_dirs=[str(folder / "plugins")])
        first, second = request_headers(four.headers), response_headers()
        ask = Ask(PROCESS, "bench", body_file(folder, "both", first, second))
        rows = [
            _row(
                stack,
                stack.enter_context(outrider(folder / f"{kind}{size}", config, kind)),
                kind,
                size,
                ask,
                framed(first),
            )
            for kind in ("engine", "grpcio")
            for size in SIZES
        ]
        return interleaved(rows, effort)


def _row(stack: ExitStack, worker: Worker, kind: str, size: int, ask: Ask, message: bytes) -> Row:
    for begin in range(0, size, A_CONNECTION):
        stack.enter_context(_held(worker.socket, min(A_CONNECTION, size - begin), message))
    return Row(f"{counted(size, 'stream')}, {kind}", partial(_figures, worker, ask))


def _figures(worker: Worker, ask: Ask, seconds: float) -> Figures:
    return ask.of(worker, seconds, streams=1) | {"memory": memory(worker.pid)}


@contextmanager
def _held(path: Path, count: int, message: bytes) -> Generator[None]:
    """So many streams on one connection, each of them answered once and not ended."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        _Holder(connection, message).hold(count)
        yield


class _Holder:
    """A client that asks on many streams and leaves them open (RFC 9113)."""

    def __init__(self, connection: socket.socket, message: bytes) -> None:
        self._connection = connection
        self._message = message
        self._reader = Reader()
        self._encoder = Encoder()
        # The engine wants no dynamic table, and every peer takes none.
        self._encoder.header_table_size = 0
        self._window = 65_535
        self._answered: set[int] = set()
        self._send(PREFACE, settings(), window_update(0, (1 << 30)))

    def hold(self, count: int) -> None:
        for begin in range(0, count, BATCH):
            for place in range(begin, min(begin + BATCH, count)):
                self._open(2 * place + 1)
            while len(self._answered) < min(begin + BATCH, count):
                self._read()

    def _open(self, stream: int) -> None:
        while self._window < len(self._message):
            self._read()
        self._window -= len(self._message)
        self._send(headers(stream, self._encoder.encode(opening("bench"))), data(stream, self._message))

    def _read(self) -> None:
        got = self._connection.recv(1 << 16)
        if not got:
            raise SystemExit("the worker closed a connection that holds streams")
        for frame in self._reader.read(got):
            if frame.kind == Kind.DATA:
                self._answered.add(frame.stream)
            elif frame.kind == Kind.SETTINGS and not frame.flags:
                self._send(SETTINGS_ACK)
            elif frame.kind == Kind.WINDOW_UPDATE and frame.stream == 0:
                self._window += number(frame.payload)
            elif frame.kind in (Kind.RST_STREAM, Kind.GOAWAY):
                raise SystemExit(f"the worker does not hold stream {frame.stream}: {frame}")

    def _send(self, *parts: Part) -> None:
        self._connection.sendall(joined(parts))
