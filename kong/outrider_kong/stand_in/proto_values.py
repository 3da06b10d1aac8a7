"""Lua's values to the messages of ProtoBuf:1 and back, by the names of pluginsocket.proto's types."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError, Message

from outrider_kong.proto import pluginsocket_pb2 as pb
from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.pdk import LuaError
from outrider_kong.stand_in.values import Value, is_list, is_table, number


def unwrap(kind: str, data: bytes) -> list[Value]:
    """The arguments that a function is called with."""
    if kind == "Empty":
        return []
    message: Message = getattr(pb, kind)()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise LuaError(f"can't decode {kind}") from None
    return UNWRAP[kind](message)


def wrap(kind: str, value: Value, exchange: Exchange) -> bytes:
    """A function's result as a frame; an absent value is an empty one."""
    return WRAP[kind](value, exchange)


def _value(message: pb.Value) -> Value:
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    value: Value = getattr(message, kind)
    kinds: dict[str, Callable[[], Value]] = {
        "list_value": lambda: _list(value),
        "struct_value": lambda: _struct(value),
        "number_value": lambda: number(value),
        # Kong's `a or b or c` makes nil of false.
        "bool_value": lambda: value or None,
        "null_value": lambda: value or b"NULL_VALUE",
    }
    return kinds[kind]() if kind in kinds else value


def _struct(message: pb.Struct) -> dict[bytes, Value]:
    table = {entry.key: _value(entry.value) for entry in message.fields}
    return {key: value for key, value in table.items() if value is not None}


def _table(message: Message) -> dict[bytes, Value]:
    """A message that is passed on as a table: what was set in it."""
    return {field.name.encode(): list(value) if field.is_repeated else value for field, value in message.ListFields()}


def _authenticate(message: pb.Authenticate) -> list[Value]:
    consumer = _table(message.consumer) if message.HasField("consumer") else None
    return [consumer, _table(message.credential) if message.HasField("credential") else None]


def _exit(message: pb.Exit) -> list[Value]:
    return [message.status, message.body, _struct(message.headers) if message.HasField("headers") else None]


def _v(message: Any) -> list[Value]:
    return [message.v]


def _list(message: pb.List) -> list[Value]:
    return [_value(item) for item in message.values]


def _key_value(message: pb.KeyValue) -> list[Value]:
    return [message.k, _value(message.v)]


def _two(message: Message) -> list[Value]:
    """A message of two fields, both of which are there even if they were left out."""
    return [getattr(message, field.name) for field in message.DESCRIPTOR.fields]


UNWRAP: dict[str, Callable[[Any], list[Value]]] = {
    "Bool": _v,
    "Int": _v,
    "Text": _v,
    "KeyValue": _key_value,
    "Struct": lambda message: [_struct(message)],
    "List": _list,
    "Target": _two,
    "ConsumerSpec": _two,
    "Authenticate": _authenticate,
    "Exit": _exit,
}


def to_value(value: Value) -> pb.Value:
    """A Lua value; nil is the null that Kong writes, whose number is 1."""
    if value is None:
        return pb.Value(null_value=1)
    if isinstance(value, bool):
        return pb.Value(bool_value=value)
    if isinstance(value, int | float):
        return pb.Value(number_value=value)
    if isinstance(value, bytes):
        return pb.Value(string_value=value)
    if is_list(value) and value:
        return pb.Value(list_value=pb.List(values=[to_value(item) for item in value]))
    return pb.Value(struct_value=_to_struct(value or {}))


def _to_struct(table: Value) -> pb.Struct:
    entries: dict[Any, Value] = table if is_table(table) else {}
    return pb.Struct(fields=[pb.Entry(key=key, value=to_value(value)) for key, value in entries.items()])


def _scalar(kind: Callable[..., Message]) -> Callable[[Value, Exchange], bytes]:
    return lambda value, _: b"" if value is None else kind(v=value).SerializeToString()


def _boolean(value: Value, _: Exchange) -> bytes:
    """Kong writes false, too, which protobuf leaves out otherwise."""
    return b"" if value is None else b"\x08\x01" if value else b"\x08\x00"


def _raw_body(value: Value, exchange: Exchange) -> bytes:
    if value is not None:
        return pb.RawBody(content=value).SerializeToString()
    if exchange.body_file is not None:
        return pb.RawBody(body_filepath=str(exchange.body_file).encode()).SerializeToString()
    return pb.RawBody(error=b"Can't read request body").SerializeToString()


def _captures(value: Value, _: Exchange) -> bytes:
    named = [pb.Captured(name=name, value=item) for name, item in value[b"named"].items()]
    return pb.UriCaptures(unnamed=value[b"unnamed"], named=named).SerializeToString()


def _entity(kind: Callable[..., Message]) -> Callable[[Value, Exchange], bytes]:
    """An entity's table as a message: fields that the message lacks are left out, as are maps."""

    def write(value: Value, _: Exchange) -> bytes:
        if value is None:
            return b""
        fields = {name: _fit(value.get(name.encode())) for name in kind().DESCRIPTOR.fields_by_name}
        return kind(**{name: item for name, item in fields.items() if item is not None}).SerializeToString()

    return write


def _fit(item: Value) -> Value:
    if is_table(item):
        return pb.Reference(id=item[b"id"]) if isinstance(item.get(b"id"), bytes) else None
    return item


WRAP: dict[str, Callable[[Value, Exchange], bytes]] = {
    "Empty": lambda _value, _exchange: b"",
    "Value": lambda value, _: to_value(value).SerializeToString(),
    "Struct": lambda value, _: _to_struct(value).SerializeToString(),
    "Bool": _boolean,
    "Int": _scalar(pb.Int),
    "Number": _scalar(pb.Number),
    "Text": _scalar(pb.Text),
    "RawBody": _raw_body,
    "UriCaptures": _captures,
    "Consumer": _entity(pb.Consumer),
    "Credential": _entity(pb.Credential),
    "Route": _entity(pb.Route),
    "Service": _entity(pb.Service),
}
