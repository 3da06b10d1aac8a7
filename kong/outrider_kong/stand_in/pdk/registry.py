"""Which functions there are, in which phases each may be called, and how one is called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature

from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.values import Value

ACCESS = frozenset({"access"})
EARLY = frozenset({"rewrite", "access"})
BODY = frozenset({"rewrite", "access", "response", "error"})
SETTERS = frozenset({"rewrite", "access", "response", "header_filter", "error"})
LATE = frozenset({"response", "header_filter", "body_filter", "log", "error"})
AUTHENTICATED = frozenset({"access", "response", "header_filter", "body_filter", "log", "error"})
ANY = AUTHENTICATED | {"rewrite"}

Body = Callable[..., Value]


class LuaError(Exception):
    """What Lua's error() raises: a wrong argument, a wrong phase."""


class ExitError(Exception):
    """A plugin answers itself: nothing after this call runs in its phase."""

    def __init__(self, status: int, body: Value = None, headers: Mapping[bytes, Value] | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = dict(headers or {})
        super().__init__(f"exit {status}")


@dataclass(frozen=True)
class Offer:
    """One function; `timer` says that it works in a log event, which runs after the request is gone."""

    body: Body
    phases: frozenset[str]
    timer: bool
    arity: int | None


OFFERS: dict[str, Offer] = {}


def offer(name: str, phases: frozenset[str] = ANY, *, timer: bool = False) -> Callable[[Body], Body]:
    """Registers a function under its name in Lua."""

    def register(body: Body) -> Body:
        parameters = signature(body).parameters.values()
        variadic = any(parameter.kind is Parameter.VAR_POSITIONAL for parameter in parameters)
        OFFERS[name] = Offer(body, phases, timer, None if variadic else len(parameters) - 1)
        return body

    return register


def call(exchange: Exchange, name: str, arguments: Sequence[Value]) -> Value:
    """Calls a function as Lua does: what is missing is nil, what is too much is dropped."""
    found = OFFERS[name]
    if exchange.in_timer and not found.timer:
        raise LuaError(f"{name}: disabled in the context of ngx.timer, where log events run")
    if exchange.phase not in found.phases:
        allowed = ", ".join(sorted(found.phases))
        raise LuaError(f"{name}: can't be called in the phase {exchange.phase}, only in {allowed}")
    if found.arity is None:
        return found.body(exchange, *arguments)
    return found.body(exchange, *[*arguments, *[None] * found.arity][: found.arity])
