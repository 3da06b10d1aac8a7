"""Holds frames of the stand-in against those of the real Kong: equal, but for what can't be.

Compared by kind only: times, sizes that depend on them, ids of requests and of the node, ports of loopback, the name
of a temporary file, and `__seq__` (Kong deals it out in the order of a hash table). Without regard to order: the
entries of maps and Structs, the fields of a message. Everything else must be equal, byte by byte.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from harness.kong_transcript import Line, Replay, msgpack
from outrider_kong.proto import pluginsocket_pb2 as pb
from outrider_kong.stand_in.values import is_list, is_table

# Where these stand in JSON, only the type is compared.
LOOSE = frozenset(
    {
        "__seq__",
        "id",
        "x-kong-request-id",
        "x-kong-proxy-latency",
        "x-kong-upstream-latency",
        "x-kong-response-latency",
    }
    | {"started_at", "balancer_start", "balancer_start_ns", "balancer_latency", "balancer_latency_ns"}
    | {"kong", "proxy", "request_time", "receive"}
)
STRUCTS = (".get_headers", ".get_query")
ENTITIES: dict[str, type[Message]] = {
    "kong.router.get_route": pb.Route,
    "kong.router.get_service": pb.Service,
    "kong.client.load_consumer": pb.Consumer,
    "kong.client.get_consumer": pb.Consumer,
    "kong.client.get_credential": pb.Credential,
}
IDENTITY = re.compile(rb"[0-9a-f]{32}")
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Comparison:
    """Knows which port of ours stands for which of Kong's."""

    def __init__(self, lines: list[Line], ports: Mapping[int, int]) -> None:
        self._asked = _asked(lines)
        self._ports = dict(ports)
        self.replay: Replay | None = None

    def protobuf(self, line: Line, data: bytes) -> None:
        """One frame, with its length in front."""
        asked = self._asked.get(line.index)
        if asked is None:
            _same(line, _command(data[4:]), _command(line.data[4:]))
        elif line.data == data:
            return
        else:
            self._answer(line, asked, data[4:], line.data[4:])

    def _answer(self, line: Line, asked: tuple[str, bytes], ours: bytes, theirs: bytes) -> None:
        method, argument = asked
        if method.endswith(STRUCTS):
            _same(line, _struct(ours), _struct(theirs))
        elif method == "kong.log.serialize":
            self._json(line, json.loads(_text(ours)), json.loads(_text(theirs)))
        elif method in ENTITIES:
            self._entity(line, ENTITIES[method], ours, theirs)
        elif method.endswith("_port"):
            _same(line, pb.Int.FromString(ours).v > 0, pb.Int.FromString(theirs).v > 0)
        elif method == "kong.nginx.req_start_time":
            _same(line, pb.Number.FromString(ours).v > 1.7e9, pb.Number.FromString(theirs).v > 1.7e9)
        elif method == "kong.request.get_raw_body":
            _same(line, pb.RawBody.FromString(ours).WhichOneof("kind"), "body_filepath")
        elif method == "kong.node.get_id":
            assert UUID.fullmatch(_text(ours)), line
        elif method == "kong.nginx.get_var" and _text(argument) == b"request_id":
            assert IDENTITY.fullmatch(_text(ours)), line
        else:
            _same(line, (method, ours), (method, theirs))

    def _entity(self, line: Line, kind: type[Message], ours: bytes, theirs: bytes) -> None:
        mine: Any = kind.FromString(ours)
        if isinstance(mine, pb.Service):
            mine.port = self._ports.get(mine.port, mine.port)
        _same(line, mine, kind.FromString(theirs))

    def packed(self, line: Line, data: bytes) -> None:
        """One MessagePack object: a call."""
        ours, theirs = _unpack(data), _unpack(line.data)
        assert self.replay
        self.replay.number(theirs[1], ours[1])
        _same(line, ours[2], theirs[2])
        [mine], [wanted] = ours[3], theirs[3]
        if ours[2] == "plugin.StartInstance":
            self._json(line, json.loads(mine.pop("Config")), json.loads(wanted.pop("Config")))
        elif isinstance(mine.get("Data"), str) and mine["Data"].startswith('{"'):
            self._json(line, json.loads(mine.pop("Data")), json.loads(wanted.pop("Data")))
        _same(line, mine, wanted)

    def _json(self, line: Line, ours: Any, theirs: Any) -> None:
        _same(line, self._kind("", ours), self._kind("", theirs))

    def _kind(self, key: str, value: Any) -> Any:
        """A value as far as it is compared."""
        if is_table(value):
            loose = _loose_here(value)
            entries = value.items()
            return {name: type(item).__name__ if name in loose else self._kind(name, item) for name, item in entries}
        if is_list(value):
            return [self._kind(key, item) for item in value]
        if key in LOOSE - {"id"}:
            return "number" if isinstance(value, int | float) else type(value).__name__
        if key in {"port", "url"}:
            return self._ported(value)
        return value

    def _ported(self, value: Any) -> Any:
        """Our ports as Kong's."""
        if isinstance(value, int):
            return self._ports.get(value, value)
        for ours, theirs in self._ports.items() if isinstance(value, str) else ():
            value = value.replace(f":{ours}/", f":{theirs}/")
        return value


def _asked(lines: list[Line]) -> dict[int, tuple[str, bytes]]:
    """Which function an answer of Kong's is the result of; a line that is not here is a call of Kong's."""
    pending: dict[int, list[bytes]] = {}
    asked: dict[int, tuple[str, bytes]] = {}
    for line in lines:
        before = pending.setdefault(line.connection, [])
        if line.event or not line.kong:
            before.append(line.data[4:])
            continue
        if len(before) >= 2 and before[-2].startswith(b"kong."):
            asked[line.index] = (before[-2].decode(), before[-1])
        before.clear()
    return asked


def _command(data: bytes) -> tuple[pb.RpcCall, Any]:
    call = pb.RpcCall.FromString(data)
    if not call.HasField("start_instance"):
        return call, None
    config = json.loads(call.start_instance.config)
    assert isinstance(config.pop("__seq__"), int)
    call.start_instance.ClearField("config")
    return call, config


def _struct(data: bytes) -> Any:
    entries = pb.Struct.FromString(data).fields
    return {entry.key: None if entry.key.decode() in LOOSE else _value(entry.value) for entry in entries}


def _value(value: pb.Value) -> Any:
    if value.HasField("list_value"):
        return [_value(item) for item in value.list_value.values]
    return value.SerializeToString()


def _text(data: bytes) -> bytes:
    return pb.Text.FromString(data).v


def _unpack(data: bytes) -> Any:
    return msgpack.unpackb(data, raw=False, unicode_errors="surrogateescape", strict_map_key=False)


def _loose_here(table: dict[str, Any]) -> set[str]:
    """Names that are loose in one place only: the id of a request, the size of a response, the time of a request."""
    places = {"querystring": "id", "status": "size", "proxy": "request"}
    return {loose for mark, loose in places.items() if mark in table}


def _same(line: Line, ours: Any, theirs: Any) -> None:
    assert ours == theirs, f"line {line.index + 1}:\nstand-in {ours!r}\nKong     {theirs!r}"
