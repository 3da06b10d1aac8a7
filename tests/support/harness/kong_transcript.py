"""What a real Kong and a plugin server said to each other, and the plugin server's side of it played again."""

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

# It has neither types nor stubs.
msgpack: Any = import_module("msgpack")
FOLDER = Path(__file__).resolve().parents[2] / "kong-transcripts"
WAIT = 15.0


@dataclass(frozen=True)
class Line:
    """One line: bytes from one side, or an event of a connection."""

    index: int
    connection: int
    kong: bool = False
    data: bytes = b""
    event: str = ""
    by: str = ""


def read(name: str) -> list[Line]:
    """A whole transcript."""
    lines = (FOLDER / f"{name}.jsonl").read_text().splitlines()
    return [_line(index, json.loads(line)) for index, line in enumerate(lines)]


def _line(index: int, line: dict[str, Any]) -> Line:
    if "event" in line:
        return Line(index, line["conn"], event=line["event"], by=line.get("by", ""))
    return Line(index, line["conn"], line["dir"] == "kong->ps", bytes.fromhex(line["hex"]))


Compare = Callable[[Line, bytes], None]


class Replay:
    """A plugin server that says what the transcript's said, and holds Kong's frames against the transcript's.

    It speaks and closes only after everything that came before it in the transcript. The transcript's n-th connection
    is the n-th that is accepted. Numbers of calls are mapped where several requests run at once, else they must be
    equal. `held` says which lines wait for a later one: Kong had not read them yet when it did that.
    """

    def __init__(
        self, lines: list[Line], path: str, compare: Compare, *, packed: bool, held: Mapping[int, int] | None = None
    ) -> None:
        self._lines = lines
        self._path = path
        self._compare = compare
        self._packed = packed
        self._held = held or {}
        self._done = 0
        self._finished: set[int] = set()
        self._turn = threading.Condition()
        self._numbers: dict[int, int] = {}
        self.mistakes: list[str] = []
        self.renumbered = False
        self._connections = [line.connection for line in lines if line.event == "open"]
        self._listener = self._listen()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self._path)
        listener.listen(64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def down(self) -> None:
        """Nobody listens from here on, which is where the transcript has failed attempts to connect."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        os.unlink(self._path)  # noqa: PTH108 # a socket

    def up(self) -> None:
        """Listens again; the failed attempts are over."""
        for line in self._lines:
            if line.event == "connect-failed":
                self._finish(line)
        self._listener = self._listen()

    def finish(self) -> None:
        """Waits for the last line, and fails with all that was not as it should be."""
        with self._turn:
            self._turn.wait_for(lambda: self._done == len(self._lines) or self.mistakes, WAIT)
        assert not self.mistakes, "\n".join(self.mistakes)
        assert self._done == len(self._lines), f"it stopped before line {self._done + 1}: {self._lines[self._done]}"
        self.down()

    def _accept(self, listener: socket.socket) -> None:
        while self._connections:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number = self._connections.pop(0)
            connection.settimeout(WAIT)
            threading.Thread(target=self._serve, args=(number, connection), daemon=True).start()

    def _serve(self, number: int, connection: socket.socket) -> None:
        try:
            with connection:
                frames = self._objects(connection) if self._packed else _frames(connection)
                for line in [line for line in self._lines if line.connection == number]:
                    self._play(line, connection, frames)
        except (OSError, AssertionError, StopIteration) as error:
            with self._turn:
                self.mistakes.append(f"connection {number}: {error!r}")
                self._turn.notify_all()

    def _play(self, line: Line, connection: socket.socket, frames: Iterator[bytes]) -> None:
        if line.kong:
            self._compare(line, next(frames))
        elif line.event == "close" and line.by == "kong":
            assert next(frames, b"") == b"", f"line {line.index + 1}: Kong should have closed"
        elif line.event != "open":
            self._await_turn(line)
            if line.data:
                # It may speak to a Kong that has hung up.
                with contextlib.suppress(BrokenPipeError):
                    connection.sendall(self._mapped(line.data))
            else:
                connection.shutdown(socket.SHUT_RDWR)
        self._finish(line)

    def _await_turn(self, line: Line) -> None:
        with self._turn:
            ready = self._turn.wait_for(lambda: self._may_speak(line) or self.mistakes, WAIT)
        assert ready, f"line {line.index + 1}: waited in vain for line {self._done + 1}: {self._lines[self._done]}"

    def _may_speak(self, line: Line) -> bool:
        later = self._held.get(line.index)
        return self._done >= line.index and (later is None or later in self._finished)

    def _finish(self, line: Line) -> None:
        with self._turn:
            self._finished.add(line.index)
            while self._done in self._finished:
                self._done += 1
            self._turn.notify_all()

    def number(self, theirs: int, ours: int) -> None:
        """Kong's number of a call stands for the stand-in's."""
        self._numbers[theirs] = ours
        self.renumbered |= theirs != ours

    def _mapped(self, data: bytes) -> bytes:
        """An answer, with the number that was asked with."""
        if not self._packed:
            return data
        answer = msgpack.unpackb(data, raw=False, unicode_errors="surrogateescape", strict_map_key=False)
        if answer[0] != 1 or self._numbers.get(answer[1], answer[1]) == answer[1]:
            return data
        renumbered = [1, self._numbers[answer[1]], *answer[2:]]
        return bytes(msgpack.packb(renumbered, unicode_errors="surrogateescape"))

    def _objects(self, connection: socket.socket) -> Iterator[bytes]:
        """The MessagePack objects that come, each as its bytes."""
        unpacker, kept = msgpack.Unpacker(raw=True, strict_map_key=False), b""
        start = 0
        while data := _receive(connection):
            kept += data
            unpacker.feed(data)
            for _ in unpacker:
                yield kept[: unpacker.tell() - start]
                kept, start = kept[unpacker.tell() - start :], unpacker.tell()


def _frames(connection: socket.socket) -> Iterator[bytes]:
    """The frames that come over ProtoBuf:1, each with its length in front."""
    buffer = b""
    while data := _receive(connection):
        buffer += data
        while len(buffer) >= 4 and len(buffer) >= (end := 4 + struct.unpack_from("<I", buffer)[0]):
            yield buffer[:end]
            buffer = buffer[end:]


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except ConnectionResetError:
        return b""
