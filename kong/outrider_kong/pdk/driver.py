"""The part of an event that runs where kong-pdk calls the plugin: it calls Kong, and lets nothing out.

What a plugin raises there is never told to Kong: the event hangs, with everything behind it (kong.md, "kong-pdk").
"""

import logging
from collections.abc import Sequence
from functools import reduce
from typing import Any, Final, cast

from outrider.request import Request
from outrider.response import Refusal
from outrider.verdict import reply
from outrider_kong.calls import Call
from outrider_kong.errors import ProtocolError
from outrider_kong.event import refusal
from outrider_kong.pdk import guard
from outrider_kong.pdk.handing_over import BlockedError
from outrider_kong.pdk.values import answer, arguments
from outrider_kong.pdk.worker import Told, Worker, Workers
from outrider_kong.writing import reply_call

_log = logging.getLogger("outrider.kong")


def run(kong: Any, workers: Workers, name: str, config: str, phase: str) -> None:
    """One event of an instance of the plugin `name`, from its first call to its last."""
    asked = _Kong(kong, workers.here())
    try:
        if phase == "log":
            _walk(asked, name, config, phase)
        else:
            _marked(asked, name, config, phase)
    except BlockedError:
        _log.error("%s: request refused: a hook blocks, and this process ends", name)
        _refuse(asked, phase, _OVERDUE)
        workers.end()
    except Exception as error:  # noqa: BLE001 - whatever it is, Kong gets its refusal
        _log.error("%s: request refused: %s", name, _words(error))
        _refuse(asked, phase, refusal())


class _Kong:
    """Kong as kong-pdk gives it to a plugin."""

    def __init__(self, kong: Any, worker: Worker) -> None:
        self.worker = worker
        self._kong = kong

    def call(self, call: Call) -> Any:
        """Kong's answer to a call."""
        return self.ask(call.method, *arguments(call))

    def ask(self, method: str, *args: Any) -> Any:
        """Kong's answer, in both of kong-pdk's styles. Raises `ProtocolError` for an error of Kong's."""
        function = reduce(getattr, method.split(".")[1:], self._kong)
        with self.worker.asking():
            got = function(*args)
        if not isinstance(got, tuple):
            return got
        value, error = cast("tuple[Any, Any]", got)
        if error is not None:
            raise ProtocolError(f"{method} failed: {str(error)[:200]!r}")
        return value


def _marked(kong: _Kong, name: str, config: str, phase: str) -> None:
    """An event that leaves its mark for the guard, unless it ends with an answer."""
    # The first call: kong-pdk takes no other event until then, and an answer that comes late must not say who asks.
    request_id = kong.ask("kong.nginx.get_var", guard.REQUEST_ID)
    if _walk(kong, name, config, phase) != _EXIT:
        kong.ask("kong.ctx.shared.set", guard.key(name, phase), guard.mark(request_id, config))


def _walk(kong: _Kong, name: str, config: str, phase: str) -> str:
    """Makes the calls that the hooks lead to; the method of the last one."""
    event = kong.worker.event(name, config, phase)
    try:
        step = event.go_on(None)
        while not isinstance(step, Told):
            step = event.go_on([answer(call, kong.call(call)) for call in step])
    finally:
        event.close()
    return _tell(kong, step.calls)


def _tell(kong: _Kong, calls: Sequence[Call]) -> str:
    method = ""
    for call in calls:
        method = call.method
        if not _is_lame(call):
            kong.call(call)
    return method


def _refuse(kong: _Kong, phase: str, call: Call) -> None:
    # Nothing is left to be refused in log, and an exit is a fault there.
    if phase != "log":
        kong.call(call)


def _is_lame(call: Call) -> bool:
    """A credential without a consumer: an absent argument before another one is lost on MessagePack's way to Lua."""
    return call.method == "kong.client.authenticate" and arguments(call)[0] is None


def _words(error: Exception) -> str:
    # The text of an error of another kind may hold a credential.
    return str(error) if isinstance(error, ProtocolError) else type(error).__name__


_EXIT: Final = "kong.response.exit"
_OVERDUE: Final = reply_call(reply(Request(), Refusal(503, "The gateway is overloaded")))
