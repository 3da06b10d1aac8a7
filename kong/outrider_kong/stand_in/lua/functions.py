"""Compiles and runs the functions of pre-function and post-function over one request's state."""

import base64
import hashlib
import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.lua.library import Runtime, to_python
from outrider_kong.stand_in.pdk import OFFERS, ExitError, LuaError, call
from outrider_kong.stand_in.pdk.summary import summary
from outrider_kong.stand_in.uri import quote, unescape
from outrider_kong.stand_in.values import Value

Function = Any  # a Lua function


def _hash(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).hexdigest().encode()


PLAIN: dict[bytes, Callable[..., Value]] = {
    b"now": lambda: round(time.time(), 3),
    b"time": lambda: int(time.time()),
    b"encode_base64": base64.b64encode,
    b"decode_base64": base64.b64decode,
    b"escape_uri": quote,
    b"unescape_uri": unescape,
    b"md5": _hash,
}


class Functions:
    """The Lua state of one nginx worker: upvalues and globals of a function live as long as it does."""

    def __init__(self) -> None:
        self._runtime = Runtime()
        self._exchange: Exchange | None = None
        self._left: ExitError | None = None
        host = self._runtime.to_lua(
            {
                b"call": self._call,
                b"left": self._has_left,
                b"names": [name.encode() for name in sorted(OFFERS)],
                b"functions": {**PLAIN, b"get_phase": self._phase},
                b"null": object(),
            }
        )
        prelude = (files("outrider_kong.stand_in.lua") / "prelude.lua").read_bytes()
        self._compile, self._run = self._runtime.execute(prelude, host)

    def compile(self, code: str) -> Function:
        """A function that can be run; LuaError where it is no Lua."""
        compiled, message = self._compile(code.encode())
        if compiled is None:
            raise LuaError(message.decode("utf-8", "replace"))
        return compiled

    def run(self, function: Function, exchange: Exchange) -> None:
        """Runs it in the exchange's phase: ExitError where it answered, LuaError where it broke."""
        self._exchange, self._left = exchange, None
        message: bytes | None = self._run(function)
        if self._left:
            raise self._left
        if message is not None:
            raise LuaError(message.decode("utf-8", "replace"))

    def _has_left(self) -> bool:
        return self._left is not None

    def _phase(self) -> bytes:
        return self._exchange.phase.encode() if self._exchange else b"init"

    def _call(self, name: bytes, count: int, arguments: Any) -> tuple[bytes, Value]:
        """One function of kong for Lua: a tag, and what belongs to it."""
        exchange = self._exchange
        if exchange is None:
            return b"error", b"no request"
        try:
            given = [to_python(arguments[at]) for at in range(1, count + 1)]
            # Belongs to a coroutine, which may be gone before the traceback of an error that holds this frame.
            del arguments
            result = call(exchange, name.decode(), given)
        except ExitError as left:
            self._left = left
            return b"exit", None
        except LuaError as error:
            return b"error", str(error).encode()
        if name == b"kong.log.serialize":
            # Lua gets the table; JSON is what Kong makes of it for plugin servers.
            result = summary(exchange)
        return b"value", self._runtime.to_lua(result)
