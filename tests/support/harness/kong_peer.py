"""Kong's side of a connection, frame by frame: the least that a plugin server needs to decide."""

import asyncio
import struct
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.message import Message

from outrider_kong.connection import Connection
from outrider_kong.frames import frame
from outrider_kong.proto import pluginsocket_pb2 as pb

Answer = Callable[[bytes], Message | bytes]
LAST = ("kong.response.exit", "no plugin instance")


class KongPeer:
    """Answers calls by what its fields say, and keeps them: `calls` holds pairs of method and argument.

    A call of the name `silent` is never answered. `shared` is kong.ctx.shared, `consumers` are those that Kong knows.
    """

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self.connect = connect
        self.connection = connect()
        self.instance = 0
        self.headers: list[tuple[bytes, bytes]] = [(b"host", b"example.test")]
        self.method, self.target, self.client, self.scheme = b"GET", b"/r", b"192.0.2.1", b"http"
        self.host, self.number = b"", b"number-1"
        self.body: bytes | pb.RawBody = b""
        self.status = 200
        self.response_headers: list[tuple[bytes, bytes]] = []
        self.response_body = b""
        self.consumers = {b"alice"}
        self.shared: dict[bytes, pb.Value] = {}
        self.calls: list[tuple[str, bytes]] = []
        self.returned: pb.RpcReturn | None = None
        self.dropped = False
        self.silent = ""
        self._sequence = 0
        self._rest = b""

    def start(self, name: str, config: bytes) -> int:
        """A new instance's id."""
        self.rpc(start_instance=pb.StartInstance(name=name, config=config))
        assert self.returned is not None
        return self.returned.instance_status.instance_id

    def event(self, phase: str = "access", instance: int | None = None) -> list[str]:
        """One event to its end; the names of what was called."""
        number = self.instance if instance is None else instance
        self.rpc(handle_event=pb.HandleEvent(instance_id=number, event_name=phase))
        return self.methods

    def argument(self, method: str) -> bytes:
        """What the last call of that name was given."""
        return [argument for called, argument in self.calls if called == method][-1]

    def sent(self, method: str) -> dict[str, list[str]]:
        """The headers that the last call of that name was given."""
        return fields_of(pb.Struct.FromString(self.argument(method)))

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.calls]

    @property
    def exit(self) -> pb.Exit | None:
        """What downstream got in place of upstream's answer."""
        found = [argument for method, argument in self.calls if method == "kong.response.exit"]
        return pb.Exit.FromString(found[0]) if found else None

    def sent_in_exit(self) -> dict[str, list[str]]:
        """The headers of the answer in place of upstream's."""
        assert self.exit is not None
        return fields_of(self.exit.headers)

    def rpc(self, **call: Message) -> None:
        """A call, on a new connection where Kong dropped the last one."""
        if self.dropped:
            self.connection.close()
            self.connection, self.dropped = self.connect(), False
        self._sequence += 1
        self.calls, self.returned, self._rest = [], None, b""
        sent: dict[str, Any] = {"sequence": self._sequence, **call}
        self.send(frame(pb.RpcCall(**sent).SerializeToString()))

    def send(self, data: bytes) -> None:
        """Some bytes, and all that follows from them."""
        asyncio.run(self._sent(data))

    async def _sent(self, data: bytes) -> None:
        self._rest += self.connection.receive(data)
        while self.connection.waiting is not None:
            await self.connection.waiting.settle()
            self._rest += self.connection.resume()
        for method, argument in self._called():
            self.calls.append((method, argument))
            if method in LAST:
                self.dropped = True
                return
            if method == self.silent:
                return
            answer = self.answer(method, argument)
            raw = answer if isinstance(answer, bytes) else answer.SerializeToString()
            await self._sent(frame(raw))

    def answer(self, method: str, argument: bytes) -> Message | bytes:
        """What Kong says to a call; setters get an empty frame."""
        facts: dict[str, Callable[[], Message]] = {
            "kong.request.get_headers": lambda: struct_of(self.headers),
            "kong.request.get_method": lambda: pb.Text(v=self.method),
            "kong.request.get_scheme": lambda: pb.Text(v=self.scheme),
            "kong.request.get_host": lambda: pb.Text(v=self.host or dict(self.headers).get(b"host", b"")),
            "kong.request.get_raw_body": self._body,
            "kong.nginx.get_var": lambda: pb.Text(
                v=self.number if _text(argument) == b"kong_request_id" else self.target
            ),
            "kong.client.get_forwarded_ip": lambda: pb.Text(v=self.client),
            "kong.client.load_consumer": lambda: self._consumer(argument),
            "kong.router.get_route": lambda: pb.Route(name=b"kongs-route", tags=[b"a", b"b"]),
            "kong.router.get_service": lambda: pb.Service(name=b"kongs-service"),
            "kong.response.get_status": lambda: pb.Int(v=self.status),
            "kong.response.get_headers": lambda: struct_of(self.response_headers),
            "kong.response.get_header": lambda: pb.Text(v=dict(self.response_headers).get(_text(argument), b"")),
            "kong.service.response.get_raw_body": lambda: pb.Text(v=self.response_body),
            "kong.ctx.shared.get": lambda: self.shared.get(_text(argument), pb.Value(null_value=1)),
        }
        if method == "kong.ctx.shared.set":
            pair = pb.KeyValue.FromString(argument)
            self.shared[pair.k] = pair.v
        return facts[method]() if method in facts else b""

    def _body(self) -> pb.RawBody:
        return pb.RawBody(content=self.body) if isinstance(self.body, bytes) else self.body

    def _consumer(self, argument: bytes) -> pb.Consumer:
        spec = pb.ConsumerSpec.FromString(argument)
        known = spec.id in self.consumers
        return pb.Consumer(id=b"id-of-" + spec.id, username=spec.id) if known else pb.Consumer()

    def _called(self) -> Iterator[tuple[str, bytes]]:
        """The calls among the frames that came; the end of the event is kept in `returned`."""
        while (one := self._frame()) is not None:
            if self._is_return(one):
                self.returned = pb.RpcReturn.FromString(one or self._frame() or b"")
                return
            argument = self._frame()
            assert argument is not None
            yield one.decode(), argument

    def _is_return(self, one: bytes) -> bool:
        return not one or not one.startswith((b"kong.", b"no plugin"))

    def _frame(self) -> bytes | None:
        if not self._rest:
            return None
        (length,) = struct.unpack_from("<I", self._rest)
        found, self._rest = self._rest[4 : 4 + length], self._rest[4 + length :]
        return found


def _text(argument: bytes) -> bytes:
    return pb.Text.FromString(argument).v


def struct_of(fields: list[tuple[bytes, bytes]]) -> pb.Struct:
    """Header fields as Kong tells them: several of one name are a list."""
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        by_name.setdefault(name, []).append(value)
    struct = pb.Struct()
    for name, values in by_name.items():
        entry = struct.fields.add(key=name)
        if len(values) == 1:
            entry.value.string_value = values[0]
        else:
            for value in values:
                entry.value.list_value.values.add(string_value=value)
    return struct


def fields_of(struct: pb.Struct) -> dict[str, list[str]]:
    """The headers in a Struct, each with its values as text."""
    return {
        entry.key.decode(): [
            value.string_value.decode("utf-8", "surrogateescape")
            for value in entry.value.list_value.values or [entry.value]
        ]
        for entry in struct.fields
    }
