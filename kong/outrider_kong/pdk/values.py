"""A call's frames as the Python values that kong-pdk takes, and its answers as what the call reads."""

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from google.protobuf.message import Message

from outrider_kong.calls import Call
from outrider_kong.errors import ProtocolError
from outrider_kong.frames import Frames
from outrider_kong.proto import pluginsocket_pb2 as pb

Arguments = list[Any]


def arguments(call: Call) -> Arguments:
    """What to call the function with."""
    _, raw = Frames(len(call.frames)).feed(call.frames)
    return _ARGUMENTS[call.method](raw) if call.method in _ARGUMENTS else []


def answer(call: Call, value: Any) -> Any:
    """What the call makes of kong-pdk's answer. Raises `ProtocolError` for one of another kind."""
    try:
        message = _ANSWERS[call.method](value) if call.method in _ANSWERS and value is not None else None
    except (TypeError, ValueError, AttributeError):
        raise ProtocolError(f"the answer to {call.method} is nothing of its kind") from None
    return call.read(b"" if message is None else message.SerializeToString())


def _plain(raw: bytes) -> str | bytes:
    """Text; bytes where it is none: MessagePack keeps them apart."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _text(raw: bytes) -> Arguments:
    return [_plain(pb.Text.FromString(raw).v)]


def _bytes(raw: bytes) -> Arguments:
    return [pb.Text.FromString(raw).v]


def _number(raw: bytes) -> Arguments:
    return [pb.Int.FromString(raw).v]


def _struct(raw: bytes) -> Arguments:
    return [_fields(pb.Struct.FromString(raw))]


def _pair(raw: bytes) -> Arguments:
    pair = pb.KeyValue.FromString(raw)
    return [_plain(pair.k), _of_value(pair.v)]


def _exit(raw: bytes) -> Arguments:
    call = pb.Exit.FromString(raw)
    return [call.status, call.body, _fields(call.headers)]


def _consumer_spec(raw: bytes) -> Arguments:
    spec = pb.ConsumerSpec.FromString(raw)
    return [_plain(spec.id), spec.by_username]


def _authenticate(raw: bytes) -> Arguments:
    call = pb.Authenticate.FromString(raw)
    consumer = _told(call.consumer) if call.HasField("consumer") else None
    return [consumer, _told(call.credential)] if call.HasField("credential") else [consumer]


def _fields(struct: pb.Struct) -> dict[str | bytes, Any]:
    return {_plain(entry.key): _of_value(entry.value) for entry in struct.fields}


def _of_value(value: pb.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _fields(value.struct_value)
    if kind == "list_value":
        return [_of_value(one) for one in value.list_value.values]
    return _plain(value.string_value) if kind == "string_value" else None


def _told(message: Message) -> dict[str, Any]:
    """The fields that are set."""
    return {field.name: _field(value) for field, value in message.ListFields()}


def _field(value: Any) -> Any:
    if isinstance(value, bytes):
        return _plain(value)
    return value if isinstance(value, int) else [_plain(one) for one in value]


_ARGUMENTS: Final[Mapping[str, Callable[[bytes], Arguments]]] = {
    "kong.client.authenticate": _authenticate,
    "kong.client.load_consumer": _consumer_spec,
    "kong.ctx.shared.get": _text,
    "kong.ctx.shared.set": _pair,
    "kong.nginx.get_var": _text,
    "kong.request.get_headers": _number,
    "kong.response.clear_header": _text,
    "kong.response.exit": _exit,
    "kong.response.get_header": _text,
    "kong.response.get_headers": _number,
    "kong.response.set_headers": _struct,
    "kong.response.set_status": _number,
    "kong.service.request.clear_header": _text,
    "kong.service.request.set_headers": _struct,
    "kong.service.request.set_raw_body": _bytes,
    "kong.service.request.set_method": _text,
    "kong.service.request.set_path": _text,
    "kong.service.request.set_raw_query": _text,
}


def _raw(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return cast("str", value).encode("utf-8", "surrogateescape")


def _as_text(value: Any) -> Message:
    return pb.Text(v=_raw(value))


def _as_number(value: Any) -> Message:
    return pb.Int(v=value)


def _as_value(value: Any) -> Message:
    return pb.Value(string_value=_raw(value))


def _as_body(value: Any) -> Message:
    return pb.RawBody(content=_raw(value))


def _as_headers(fields: Any) -> Message:
    struct = pb.Struct()
    for name, values in fields.items():
        entry = struct.fields.add(key=_raw(name))
        for one in [values] if isinstance(values, (str, bytes)) else values:
            entry.value.list_value.values.add(string_value=_raw(one))
    return struct


def _as_route(value: Any) -> Message:
    return pb.Route(id=_of(value, "id"), name=_of(value, "name"), tags=[_raw(tag) for tag in value.get("tags") or ()])


def _as_service(value: Any) -> Message:
    return pb.Service(id=_of(value, "id"), name=_of(value, "name"), path=_of(value, "path"))


def _as_consumer(value: Any) -> Message:
    return pb.Consumer(id=_of(value, "id"), username=_of(value, "username"), custom_id=_of(value, "custom_id"))


def _of(value: Any, field: str) -> bytes | None:
    text = value.get(field)
    return None if text is None else _raw(text)


_ANSWERS: Final[Mapping[str, Callable[[Any], Message]]] = {
    "kong.client.get_forwarded_ip": _as_text,
    "kong.client.load_consumer": _as_consumer,
    "kong.ctx.shared.get": _as_value,
    "kong.nginx.get_var": _as_text,
    "kong.request.get_headers": _as_headers,
    "kong.request.get_host": _as_text,
    "kong.request.get_method": _as_text,
    "kong.request.get_raw_body": _as_body,
    "kong.request.get_scheme": _as_text,
    "kong.response.get_header": _as_text,
    "kong.response.get_headers": _as_headers,
    "kong.response.get_status": _as_number,
    "kong.router.get_route": _as_route,
    "kong.router.get_service": _as_service,
    "kong.service.response.get_raw_body": _as_text,
}
