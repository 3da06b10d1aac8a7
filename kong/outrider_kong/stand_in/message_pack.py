"""Kong's side of MsgPack:1: one call on one connection, and the steps of an event, each a call of its own."""

from collections.abc import Callable

from outrider_kong.stand_in.exchange import BodyWantedError, Exchange
from outrider_kong.stand_in.msgpack_library import Binary, Stream, pack
from outrider_kong.stand_in.pdk import OFFERS, LuaError, call
from outrider_kong.stand_in.values import Value, is_list, is_table

HEADER_MAPS = (
    "kong.request.get_query",
    "kong.request.get_headers",
    "kong.response.get_headers",
    "kong.service.response.get_headers",
)
BODIES = ("kong.request.get_raw_body", "kong.service.response.get_raw_body")
STEPS = {
    "kong.client.get_credential": b"plugin.StepCredential",
    "kong.client.load_consumer": b"plugin.StepConsumer",
    "kong.client.get_consumer": b"plugin.StepConsumer",
    "kong.client.authenticate": b"plugin.StepCredential",
    "kong.router.get_route": b"plugin.StepRoute",
    "kong.router.get_service": b"plugin.StepService",
    **dict.fromkeys(HEADER_MAPS, b"plugin.StepMultiMap"),
}
Notify = Callable[[Value, Value], None]


class Call:
    """[0, id, method, [argument]] and its answer. `error` is what stood in the error's place; None is success."""

    def __init__(self, number: int, method: bytes, argument: Value, notify: Notify) -> None:
        self._number = number
        self._notify = notify
        self._stream = Stream()
        self.request = pack([0, number, method, [argument]])
        self.done = False
        self.error: Value = None
        self.result: Value = None

    def receive(self, data: bytes) -> None:
        """Takes bytes; an answer to another call is an error in Kong, and the connection is lost."""
        try:
            for item in self._stream.feed(data):
                if self._take(item):
                    return
        except ValueError as error:
            raise LuaError(f"no MessagePack: {error}") from None

    def _take(self, item: Value) -> bool:
        if not is_list(item) or len(item) < 3:
            raise LuaError(f"no RPC message: {item!r}")
        if item[0] == 2:
            self._notify(item[1], item[2])
            return False
        if item[0] != 1 or item[1] != self._number:
            raise LuaError(f"unexpected RPC response ID: {item[1]!r}, not {self._number}")
        self.done = True
        self.error = item[2]
        self.result = item[3] if self.error is None and len(item) > 3 else None
        return True


class Event:
    """What Kong does from one answer to the next; `call` is what to ask next, None at the end.

    `wants_body` asks for the request body to be read, then for `step`.
    """

    def __init__(self, exchange: Exchange, instance: Value) -> None:
        self._exchange = exchange
        self._event: Value = None
        self._asked: Value = None
        self.wants_body = False
        phase = exchange.phase.encode()
        self.call: tuple[bytes, Value] | None = (
            b"plugin.HandleEvent",
            {b"InstanceId": instance, b"EventName": phase},
        )

    def answer(self, result: Value) -> None:
        """Takes the result of the last call."""
        if result is None:
            self.call = None
            return
        if self._event is None:
            self._event = _member(result, b"EventId")
        self._asked = _member(result, b"Data")
        self.step()

    def step(self) -> None:
        """Does what the plugin asked for."""
        if self._asked == b"ret":
            self.call = None
            return
        name = _member(self._asked, b"Method")
        key = name.decode("latin-1") if isinstance(name, bytes) else ""
        self.wants_body = False
        try:
            data = self._run(key, _member(self._asked, b"Args"))
        except BodyWantedError:
            self.wants_body = True
            return
        answer = {b"EventId": self._event} | ({} if data is None else {b"Data": data})
        self.call = (STEPS.get(key, b"plugin.Step"), answer)

    def _run(self, name: str, arguments: Value) -> Value:
        if name not in OFFERS:
            return None
        result = call(self._exchange, name, arguments if is_list(arguments) else [arguments])
        if name in HEADER_MAPS:
            return {key: _listed(value) for key, value in result.items()}
        if name in BODIES:
            if result is None:
                raise LuaError("request body did not fit into client body buffer")
            return Binary(result)
        return result


def _listed(value: Value) -> Value:
    if value is True:
        return []
    return [value] if isinstance(value, bytes) else value


def _member(table: Value, key: bytes) -> Value:
    if not is_table(table):
        raise LuaError(f"attempt to index {table!r} with {key.decode()}")
    return table.get(key)
