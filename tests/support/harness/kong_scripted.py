"""A plugin server over ProtoBuf:1 that does what a test says, and keeps what Kong said."""

import itertools
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from google.protobuf.message import Message

from harness.kong_transcript import WAIT
from outrider_kong.proto import pluginsocket_pb2 as pb


class HungUpError(Exception):
    """Kong closed the connection."""


@dataclass
class Event:
    """One event, and what may be said in it."""

    phase: str
    config: dict[str, Any]
    connection: "Line"
    sequence: int
    replies: list[bytes] = field(default_factory=list[bytes])
    closed: bool = False

    def call(self, method: str, argument: Message | bytes = b"") -> bytes:
        """Calls a PDK function and waits for its result."""
        self.ahead(method, argument)
        return self.connection.read()

    def ahead(self, method: str, argument: Message | bytes = b"") -> None:
        """Calls a function and does not wait."""
        data = argument if isinstance(argument, bytes) else argument.SerializeToString()
        self.connection.write(method.encode(), data)

    def close(self) -> None:
        """Hangs up instead of an answer."""
        self.closed = True
        self.connection.close()


class Line:
    """One connection, by its number in the order of accepting."""

    def __init__(self, number: int, connection: socket.socket) -> None:
        self.number = number
        self._connection = connection
        self._stream = connection.makefile("rb")

    def read(self) -> bytes:
        try:
            length = self._stream.read(4)
            if len(length) < 4:
                raise HungUpError
            return self._stream.read(struct.unpack("<I", length)[0])
        except OSError:
            raise HungUpError from None

    def write(self, *frames: bytes) -> None:
        data = b"".join(struct.pack("<I", len(frame)) + frame for frame in frames)
        try:
            self._connection.sendall(data)
        except OSError:
            raise HungUpError from None

    def close(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)


Act = Callable[[Event], None]


def during(phase: str, method: str, argument: Message | bytes = b"") -> Act:
    """Calls one function in one phase and waits for its result."""

    def act(event: Event) -> None:
        if event.phase == phase:
            event.call(method, argument)

    return act


def waits(phase: str, gate: threading.Event) -> Act:
    """Waits in one phase until the gate opens."""

    def act(event: Event) -> None:
        if event.phase == phase:
            gate.wait(10)

    return act


class PluginServer:
    """Listens on a unix socket. `act` is what it does in each event; `said` is what came, over which connection."""

    def __init__(self, path: Path, act: Act = lambda _: None) -> None:
        self.path = str(path)
        self.act: Act = act
        self.said: list[tuple[str, int]] = []
        self.configs: dict[int, dict[str, Any]] = {}
        self.hung_up = 0
        self._ids = itertools.count(1)
        self._lines: list[Line] = []
        self._stopped = False
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)

    @property
    def events(self) -> list[str]:
        """What came, without the connections."""
        return [what for what, _ in self.said]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Dies: nobody listens, every connection is closed."""
        self._stopped = True
        self._listener.close()
        Path(self.path).unlink(missing_ok=True)
        for line in self._lines:
            try:
                line.close()
            except OSError:
                continue

    def forget(self) -> None:
        """Knows no instance any more, as after a restart."""
        self.configs.clear()

    def _accept(self) -> None:
        for number in itertools.count(1):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(WAIT)
            self._lines.append(line := Line(number, connection))
            if self._stopped:
                # Whoever waits in accept(2) still gets one after the close.
                line.close()
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: Line) -> None:
        try:
            while self._answer(line, pb.RpcCall.FromString(line.read())):
                pass
        except HungUpError:
            self.hung_up += 1

    def _answer(self, line: Line, call: pb.RpcCall) -> bool:
        kind = call.WhichOneof("call")
        if kind == "handle_event":
            return self._event(line, call)
        self.said.append(("start" if kind == "start_instance" else "close", line.number))
        answer = pb.RpcReturn(sequence=call.sequence)
        if kind == "start_instance":
            number = next(self._ids)
            self.configs[number] = json.loads(call.start_instance.config)
            answer.instance_status.instance_id = number
        line.write(answer.SerializeToString())
        return True

    def _event(self, line: Line, call: pb.RpcCall) -> bool:
        event = call.handle_event
        self.said.append((event.event_name, line.number))
        config = self.configs.get(event.instance_id)
        if config is None:
            line.write(b"no plugin instance", b"")
            return True
        current = Event(event.event_name, config, line, call.sequence)
        self.act(current)
        if current.closed:
            return False
        line.write(b"", pb.RpcReturn(sequence=call.sequence).SerializeToString())
        return True


def key_value(name: str, value: str | list[str]) -> pb.KeyValue:
    """A name with a text or a list of texts."""
    return pb.KeyValue(k=name.encode(), v=to_value(value))


def to_value(value: str | list[str]) -> pb.Value:
    if isinstance(value, str):
        return pb.Value(string_value=value.encode("utf-8", "surrogateescape"))
    return pb.Value(list_value=pb.List(values=[to_value(item) for item in value]))


def text(value: str) -> pb.Text:
    return pb.Text(v=value.encode("utf-8", "surrogateescape"))


def fields(data: bytes) -> dict[str, Any]:
    """A Struct of texts and lists of texts."""
    return {entry.key.decode(): _plain(entry.value) for entry in pb.Struct.FromString(data).fields}


def _plain(value: pb.Value) -> Any:
    if value.HasField("list_value"):
        return [_plain(item) for item in value.list_value.values]
    return value.string_value.decode("utf-8", "surrogateescape")
