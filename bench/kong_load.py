"""Kong's worker as plugin servers see it: a pool of connections, and one event at a time on each.

Everything that a plugin may ask is answered at once and from a table, in both protocols.
"""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from google.protobuf.message import Message

from outrider_kong.frames import EMPTY, Frames, frame
from outrider_kong.proto import pluginsocket_pb2 as pb
from outrider_kong.reading import Facts

# Without types of its own.
msgpack: Any = import_module("msgpack")

HEADERS = {
    "host": "api.example.com",
    "user-agent": "curl/8.5.0",
    "accept": "*/*",
    "x-request-id": "0e3a613f-ea06-447f-8c24-e4f0d0161667",
    "x-forwarded-for": "203.0.113.9",
    "x-forwarded-proto": "http",
    "authorization": "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
    "content-type": "application/json",
    "x-api-key": "the key of alice",
    "x-team": "blue",
}
"""What downstream sent."""

_FACTS: dict[str, Any] = {
    "kong.request.get_header": "blue",
    "kong.request.get_headers": {name: [value] for name, value in HEADERS.items()},
    "kong.request.get_method": "GET",
    "kong.request.get_scheme": "http",
    "kong.nginx.get_var": "/orders/1?expand=lines",
    "kong.client.get_forwarded_ip": "203.0.113.9",
}


@dataclass
class Load:
    """What one round was: events, how long each took, in seconds, and what was called in them."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list[float])
    called: set[str] = field(default_factory=set[str])


class ServerError(Exception):
    """The plugin server did not do what it is measured for."""


class Client:
    """One of Kong's connections. A protocol says how a call is written and what is said to what came."""

    def __init__(self, path: Path, load: Load, deadline: float = 0.0) -> None:
        self.load, self.deadline = load, deadline
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self._loop.create_future()
        self._begun, self._event = 0.0, b""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._loop.add_reader(self._socket, self._read)

    def send(self, data: bytes) -> None:
        """Sends at once, as Kong does: each answer by itself."""
        self._socket.sendall(data)

    def begin(self, event: bytes) -> None:
        """Sends the first event."""
        self._event = event
        self._begun = time.perf_counter()
        self.send(event)

    def ended(self) -> Iterator[bytes]:
        """The event is over: the next one, until the round's time is."""
        now = time.perf_counter()
        self.load.took.append(now - self._begun)
        if now >= self.deadline:
            self.finish()
        else:
            self._begun = now
            yield self._event

    def finish(self, result: object = None) -> None:
        """Closes the connection."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
        if isinstance(result, Exception):
            self.done.set_exception(result)
        else:
            self.done.set_result(result)

    def answers(self, data: bytes) -> Iterator[bytes]:
        """What Kong says to what came."""
        raise NotImplementedError

    def _received(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise ServerError("the plugin server closed the connection")
        return data

    def _read(self) -> None:
        try:
            for answer in self.answers(self._received()):
                self.send(answer)
        except Exception as error:  # noqa: BLE001 - whoever waits for the round gets it
            self.finish(error)


class ProtoBuf(Client):
    """ProtoBuf:1."""

    def __init__(self, path: Path, load: Load, deadline: float = 0.0) -> None:
        super().__init__(path, load, deadline)
        self._frames = Frames(1 << 20)
        self._method: bytes | None = None
        self._returns = True

    def start(self, name: str, config: dict[str, Any]) -> None:
        call = pb.StartInstance(name=name, config=json.dumps(config).encode())
        self.send(frame(pb.RpcCall(sequence=1, start_instance=call).SerializeToString()))

    def event(self, instance: int) -> bytes:
        self._returns = False
        call = pb.HandleEvent(instance_id=instance, event_name="access")
        return frame(pb.RpcCall(sequence=2, handle_event=call).SerializeToString())

    def answers(self, data: bytes) -> Iterator[bytes]:
        for one in self._frames.feed(data):
            if self._returns:
                yield from self._returned(one)
            elif self._method is not None:
                yield self._called(self._method, one)
                self._method = None
            elif one:
                self._method = one
            else:
                self._returns = True

    def _returned(self, raw: bytes) -> Iterator[bytes]:
        if not self._begun:
            self.finish(pb.RpcReturn.FromString(raw).instance_status.instance_id)
            return
        self._returns = False
        yield from self.ended()

    def _called(self, method: bytes, argument: bytes) -> bytes:
        self.load.called.add(method.decode())
        if method == b"kong.ctx.shared.get":
            return _SHARED.get(pb.Text.FromString(argument).v, _NOTHING)
        if method in _FRAMES:
            return _FRAMES[method]
        if method in _REFUSALS:
            raise ServerError("the plugin server refused the request")
        return EMPTY


class MessagePack(Client):
    """MsgPack:1."""

    def __init__(self, path: Path, load: Load, deadline: float = 0.0) -> None:
        super().__init__(path, load, deadline)
        self._unpacker = msgpack.Unpacker()

    def start(self, name: str, config: dict[str, Any]) -> None:
        self.send(_packed("StartInstance", {"Name": name, "Config": json.dumps(config)}))

    def event(self, instance: int) -> bytes:
        return _packed("HandleEvent", {"InstanceId": instance, "EventName": "access"})

    def answers(self, data: bytes) -> Iterator[bytes]:
        self._unpacker.feed(data)
        for _, _, error, result in self._unpacker:
            if error is not None:
                raise ServerError(f"the plugin server says {error!r}")
            if not self._begun:
                self.finish(result["Id"])
            elif result["Data"] == "ret":
                yield from self.ended()
            else:
                yield self._step(result["Data"]["Method"], result["EventId"])

    def _step(self, method: str, event: int) -> bytes:
        self.load.called.add(method)
        fact = _FACTS.get(method)
        if fact is None:
            return _packed("Step", {"EventId": event})
        kind = "StepMultiMap" if isinstance(fact, dict) else "Step"
        return _packed(kind, {"EventId": event, "Data": fact})


async def instance(kind: type[ProtoBuf | MessagePack], path: Path, name: str, config: dict[str, Any]) -> int:
    """The id of a new plugin instance."""
    client = kind(path, Load())
    client.start(name, config)
    return cast("int", await client.done)


async def drive(
    kind: type[ProtoBuf | MessagePack], path: Path, number: int, *, connections: int, seconds: float
) -> Load:
    """Sends events of the phase access for so many seconds."""
    load, begun = Load(), time.perf_counter()
    clients = [kind(path, load, begun + seconds) for _ in range(connections)]
    for client in clients:
        client.begin(client.event(number))
    await asyncio.gather(*(client.done for client in clients))
    load.seconds = time.perf_counter() - begun
    return load


def _packed(method: str, argument: dict[str, Any]) -> bytes:
    return cast("bytes", msgpack.packb([0, 1, f"plugin.{method}", [argument]]))


def _struct() -> pb.Struct:
    struct = pb.Struct()
    for name, value in HEADERS.items():
        struct.fields.add(key=name.encode()).value.string_value = value.encode()
    return struct


def _framed(message: Message) -> bytes:
    return frame(message.SerializeToString())


_FRAMES = {
    **{name.encode(): _framed(pb.Text(v=fact.encode())) for name, fact in _FACTS.items() if isinstance(fact, str)},
    b"kong.request.get_headers": _framed(_struct()),
    b"kong.client.load_consumer": _framed(pb.Consumer(id=b"4711", username=b"alice")),
}
_TOLD = Facts(
    id="98bf3f1b6b6b4e8d9ed7f4b5a3a4c2d1",
    method="GET",
    scheme="http",
    client="203.0.113.9",
    host="api.example.com",
    service="orders",
    route="orders",
    target="/orders/1?expand=lines",
)
# As the pre-function that `render kong` writes leaves it.
_SHARED = {b"outrider_request": _framed(pb.Value(string_value="\n".join(_TOLD).encode()))}
_NOTHING = _framed(pb.Value(null_value=1))
_REFUSALS = (b"kong.response.exit", b"no plugin instance")
