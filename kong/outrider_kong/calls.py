"""The functions of Kong's PDK that the plugin server calls, as frames of ProtoBuf:1."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError, Message

from outrider.consumer import Consumer
from outrider.headers import Fields
from outrider_kong.errors import ProtocolError
from outrider_kong.frames import EMPTY, frame
from outrider_kong.proto import pluginsocket_pb2 as pb


class Call(NamedTuple):
    """One call: its method, the frames that ask for it, and what reads the answer."""

    method: str
    frames: bytes
    read: Callable[[bytes], Any]


HEADERS_CAP: Final = 1000
"""nginx tells no more header fields than these."""


def decoded(raw: bytes) -> str:
    """Bytes of a header or a path as text that is as good as the bytes."""
    return raw.decode("utf-8", "surrogateescape")


def encoded(text: str) -> bytes:
    """What `decoded` read."""
    return text.encode("utf-8", "surrogateescape")


def _text(raw: bytes) -> str:
    return decoded(pb.Text.FromString(raw).v)


def _number(raw: bytes) -> int:
    return pb.Int.FromString(raw).v


def _fields(raw: bytes) -> Fields:
    """Header fields by their name in lower case, repeated ones in order."""
    # `decoded` is written out: a call for each name and value is a tenth of an event.
    fields: Fields = {}
    for entry in pb.Struct.FromString(raw).fields:
        name, value = entry.key.decode("utf-8", "surrogateescape").lower(), entry.value
        text = value.string_value
        if text or not value.HasField("list_value"):
            values = [text.decode("utf-8", "surrogateescape")]
        else:
            values = [decoded(one.string_value) for one in value.list_value.values]
        if name in fields:
            fields[name] += values
        else:
            fields[name] = values
    return fields


def _value(raw: bytes) -> str | None:
    value = pb.Value.FromString(raw)
    return decoded(value.string_value) if value.HasField("string_value") else None


def _request_body(raw: bytes) -> bytes | Path:
    """The body, or the file that nginx keeps a larger one in."""
    body = pb.RawBody.FromString(raw)
    if body.error:
        raise ProtocolError(f"Kong can't read the request's body: {decoded(body.error)[:200]!r}")
    return Path(decoded(body.body_filepath)) if body.body_filepath else body.content


def _response_body(raw: bytes) -> bytes:
    return pb.Text.FromString(raw).v


def _route(raw: bytes) -> tuple[str, tuple[str, ...]]:
    route = pb.Route.FromString(raw)
    return decoded(route.name or route.id), tuple(decoded(tag) for tag in route.tags)


def _service(raw: bytes) -> str:
    service = pb.Service.FromString(raw)
    return decoded(service.name or service.id)


def _service_path(raw: bytes) -> str:
    return decoded(pb.Service.FromString(raw).path)


def _consumer(raw: bytes) -> pb.Consumer:
    return pb.Consumer.FromString(raw)


def _nothing(raw: bytes) -> None:
    """What a setter answers says nothing."""


def _call(method: str, argument: Message | None = None, read: Callable[[bytes], Any] = _nothing) -> Call:
    sent = EMPTY if argument is None else frame(argument.SerializeToString())
    return Call(method, _name(method) + sent, read)


@cache
def _name(method: str) -> bytes:
    return frame(method.encode())


def read(call: Call, raw: bytes) -> Any:
    """What Kong answered to a call. Raises `ProtocolError` for an answer of another kind."""
    try:
        return call.read(raw)
    except DecodeError:
        raise ProtocolError(f"the answer to {call.method} is no message of its kind") from None


# Facts of the request and the response.

GET_HEADERS: Final = _call("kong.request.get_headers", pb.Int(v=HEADERS_CAP), _fields)
GET_METHOD: Final = _call("kong.request.get_method", None, _text)
GET_SCHEME: Final = _call("kong.request.get_scheme", None, _text)
# kong.request.get_path is decoded and normalised.
GET_TARGET: Final = _call("kong.nginx.get_var", pb.Text(v=b"request_uri"), _text)
# The Host header is not what Kong goes by in a request for a whole URI.
GET_HOST: Final = _call("kong.request.get_host", None, _text)
GET_CLIENT: Final = _call("kong.client.get_forwarded_ip", None, _text)
GET_BODY: Final = _call("kong.request.get_raw_body", None, _request_body)
GET_ROUTE: Final = _call("kong.router.get_route", None, _route)
GET_SERVICE: Final = _call("kong.router.get_service", None, _service)
GET_SERVICE_PATH: Final = _call("kong.router.get_service", None, _service_path)
GET_STATUS: Final = _call("kong.response.get_status", None, _number)
# kong.service.response.get_headers answers nothing over this protocol.
GET_RESPONSE_HEADERS: Final = _call("kong.response.get_headers", pb.Int(v=HEADERS_CAP), _fields)
GET_RESPONSE_BODY: Final = _call("kong.service.response.get_raw_body", None, _response_body)
GET_RESPONSE_LENGTH: Final = _call("kong.response.get_header", pb.Text(v=b"content-length"), _text)

# nginx's own request_id is another number at each read.
GET_ID: Final = _call("kong.nginx.get_var", pb.Text(v=b"kong_request_id"), _text)

# What passes from phase to phase.

_STATE, _REPLY, _FACTS = "outrider", b"outrider_reply", b"outrider_request"

GET_FACTS: Final = _call("kong.ctx.shared.get", pb.Text(v=_FACTS), _value)
"""What the pre-function keeps of every request: one call in the place of seven."""


@cache
def get_state(of: str) -> Call:
    """What `set_state` kept."""
    return _call("kong.ctx.shared.get", pb.Text(v=(_STATE + of).encode()), _value)


def set_state(text: str, of: str) -> Call:
    """Keeps a text for later phases of the request; `of` tells apart what runs on one route."""
    return _call("kong.ctx.shared.set", pb.KeyValue(k=(_STATE + of).encode(), v=pb.Value(string_value=text.encode())))


def set_facts(text: str) -> Call:
    """Keeps what `GET_FACTS` asks for, for the plugins behind this one."""
    return _call("kong.ctx.shared.set", pb.KeyValue(k=_FACTS, v=pb.Value(string_value=encoded(text))))


def set_reply_headers(headers: Iterable[tuple[str, Sequence[str]]]) -> Call:
    """Keeps headers for the post-function, which gives them to downstream whatever answers."""
    return _call("kong.ctx.shared.set", pb.KeyValue(k=_REPLY, v=pb.Value(struct_value=_lists(headers))))


# Changes.

NO_INSTANCE: Final = _call("no plugin instance")
"""No function: the words that make Kong start the instance again, and send the event again."""


def set_request_headers(headers: Iterable[tuple[str, Sequence[str]]]) -> Call:
    return _call("kong.service.request.set_headers", _struct(headers))


def clear_request_header(name: str) -> Call:
    return _call("kong.service.request.clear_header", pb.Text(v=encoded(name)))


def set_query(query: str) -> Call:
    return _call("kong.service.request.set_raw_query", pb.Text(v=encoded(query)))


def set_path(service: str, path: str) -> Call:
    """Sets the whole path that upstream gets: below the service's own."""
    return _call("kong.service.request.set_path", pb.Text(v=encoded(service.removesuffix("/") + path)))


def set_method(method: str) -> Call:
    return _call("kong.service.request.set_method", pb.Text(v=encoded(method)))


def set_request_body(body: bytes) -> Call:
    return _call("kong.service.request.set_raw_body", pb.Text(v=body))


def set_response_headers(headers: Iterable[tuple[str, Sequence[str]]]) -> Call:
    return _call("kong.response.set_headers", _struct(headers))


def clear_response_header(name: str) -> Call:
    return _call("kong.response.clear_header", pb.Text(v=encoded(name)))


def set_status(status: int) -> Call:
    return _call("kong.response.set_status", pb.Int(v=status))


def exit_with(status: int, body: bytes = b"", headers: Iterable[tuple[str, Sequence[str]]] = ()) -> Call:
    """Ends the request with an answer; Kong drops the connection then."""
    return _call("kong.response.exit", pb.Exit(status=status, body=body, headers=_struct(headers)))


def load_consumer(consumer: Consumer) -> Call:
    """Kong's own record of a consumer, found by its username, else by its id."""
    name = consumer.username or consumer.id
    spec = pb.ConsumerSpec(id=encoded(name), by_username=consumer.username is not None)
    return _call("kong.client.load_consumer", spec, _consumer)


def authenticate(consumer: pb.Consumer | None, credential: str | None) -> Call:
    """Tells Kong's own plugins who calls."""
    arguments = pb.Authenticate(consumer=consumer)
    if credential is not None:
        arguments.credential.id = encoded(credential)
        if consumer is not None:
            arguments.credential.consumer_id = consumer.id
    return _call("kong.client.authenticate", arguments)


def _struct(headers: Iterable[tuple[str, Sequence[str]]]) -> pb.Struct:
    struct = pb.Struct()
    for name, values in headers:
        entry = struct.fields.add(key=encoded(name))
        if len(values) == 1:
            entry.value.string_value = encoded(values[0])
        else:
            _fill(entry.value, values)
    return struct


def _lists(headers: Iterable[tuple[str, Sequence[str]]]) -> pb.Struct:
    struct = pb.Struct()
    for name, values in headers:
        _fill(struct.fields.add(key=encoded(name)).value, values)
    return struct


def _fill(value: pb.Value, texts: Sequence[str]) -> None:
    for text in texts:
        value.list_value.values.add(string_value=encoded(text))
