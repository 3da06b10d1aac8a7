"""Kong's own plugins that the stand-in has: functions in Lua, acl and request-termination."""

from collections.abc import Mapping
from typing import Any, Protocol

from outrider_kong.stand_in.configured import Configured
from outrider_kong.stand_in.entities import Consumer
from outrider_kong.stand_in.exchange import Exchange
from outrider_kong.stand_in.lua.functions import Function, Functions
from outrider_kong.stand_in.pdk import LuaError, call
from outrider_kong.stand_in.plugins import Handler, Known
from outrider_kong.stand_in.remote import Context
from outrider_kong.stand_in.schema import Field
from outrider_kong.stand_in.values import get

PHASES = ("rewrite", "access", "header_filter", "log")
NOT_RUN = ("certificate", "body_filter")
TERMINATION = {401: b"Unauthorized", 404: b"Not found", 405: b"Method not allowed", 503: b"Service unavailable"}
DENIED = b"You cannot consume this service"


def _functions(config: Mapping[str, Any]) -> list[str]:
    if unable := [phase for phase in NOT_RUN if config[phase]]:
        return [f"kong.yml: functions in {phase}: the stand-in runs only {', '.join(PHASES)}." for phase in unable]
    if not any(config[phase] for phase in PHASES):
        return [f"kong.yml: at least one of these fields must be non-empty: {', '.join(PHASES)}."]
    mistakes: list[str] = []
    lua = Functions()
    for phase in PHASES:
        for code in config[phase]:
            try:
                lua.compile(code)
            except LuaError as error:
                mistakes.append(f"kong.yml: function in {phase}: error parsing: {error}.")
    return mistakes


def _strings(name: str) -> Field:
    return {name: {"type": "array", "elements": {"type": "string"}}}


def _code(phase: str) -> Field:
    return {phase: {"type": "array", "required": True, "default": [], "elements": {"type": "string"}}}


def _one(name: str, kind: str, default: Any = None, **more: Any) -> Field:
    return {name: {"type": kind, "default": default, **more}}


def _function(name: str, priority: int) -> Known:
    fields = [_code(phase) for phase in (*NOT_RUN, *PHASES)]
    return Known(name=name, priority=priority, phases=frozenset(PHASES), fields=fields, bundled=True, also=_functions)


KNOWN = (
    _function("pre-function", 1000000),
    _function("post-function", -1000),
    Known(
        name="acl",
        priority=950,
        phases=frozenset({"access"}),
        bundled=True,
        fields=[
            _strings("allow"),
            _strings("deny"),
            _one("hide_groups_header", "boolean", default=False, required=True),
            _one("always_use_authenticated_groups", "boolean", default=False, required=True),
        ],
    ),
    Known(
        name="request-termination",
        priority=2,
        phases=frozenset({"access"}),
        bundled=True,
        fields=[
            _one("status_code", "integer", default=503, between=[100, 599], required=True),
            *(_one(name, "string") for name in ("message", "content_type", "body", "trigger")),
            _one("echo", "boolean", default=False, required=True),
        ],
    ),
)


class ConsumersOwner(Protocol):
    """Who knows the consumers; after a reload they are others."""

    @property
    def consumers(self) -> Mapping[str, Consumer]: ...


class LuaHandler:
    """pre-function and post-function."""

    def __init__(self, lua: Functions) -> None:
        self._lua = lua
        self._compiled: dict[tuple[str, str], tuple[int, list[Function]]] = {}

    async def handle(self, configured: Configured, context: Context) -> None:
        for function in self._functions(configured, context.exchange.phase):
            self._lua.run(function, context.exchange)

    def _functions(self, configured: Configured, phase: str) -> list[Function]:
        """Compiled once for each configuration: what they remember lives until it changes."""
        key = (configured.id, phase)
        sequence, functions = self._compiled.get(key, (0, []))
        if sequence != configured.sequence:
            functions = [self._lua.compile(code) for code in configured.config[phase]]
            self._compiled[key] = (configured.sequence, functions)
        return functions


class Acl:
    """Lets consumers pass by their groups; with no consumer nobody passes."""

    def __init__(self, owner: ConsumersOwner) -> None:
        self._owner = owner

    async def handle(self, configured: Configured, context: Context) -> None:
        exchange, config = context.exchange, configured.config
        known = self._owner.consumers.get(_consumer_id(exchange))
        if not exchange.consumer:
            _refuse(exchange)
        groups = known.groups if known else ()
        listed = set(groups) & set(config["deny"] or config["allow"] or [])
        if bool(listed) is bool(config["deny"]):
            if not groups and not config["deny"]:
                _refuse(exchange)
            call(exchange, "kong.response.error", [403, DENIED])
        if groups and not config["hide_groups_header"]:
            call(exchange, "kong.service.request.set_header", [b"X-Consumer-Groups", ", ".join(groups).encode()])


class Termination:
    """Answers every request, or those that carry its trigger."""

    async def handle(self, configured: Configured, context: Context) -> None:
        exchange, config = context.exchange, configured.config
        if trigger := config["trigger"]:
            headers = call(exchange, "kong.request.get_headers", [])
            query = call(exchange, "kong.request.get_query", [])
            if trigger.lower().encode() not in headers and trigger.encode() not in query:
                return
        status, body, message = config["status_code"], config["body"], config["message"]
        if body is not None:
            kind = (config["content_type"] or "text/plain").encode()
            call(exchange, "kong.response.exit", [status, body.encode(), {b"Content-Type": kind}])
        said = message.encode() if message else TERMINATION.get(status)
        call(exchange, "kong.response.exit", [status, {b"message": said} if said else None])


def handlers(lua: Functions, owner: ConsumersOwner) -> dict[str, Handler]:
    """What runs them in one worker."""
    functions = LuaHandler(lua)
    return {
        "pre-function": functions,
        "post-function": functions,
        "acl": Acl(owner),
        "request-termination": Termination(),
    }


def _consumer_id(exchange: Exchange) -> str:
    identity = get(exchange.consumer, b"id")
    return identity.decode() if isinstance(identity, bytes) else ""


def _refuse(exchange: Exchange) -> None:
    """401 for a stranger, 403 for a credential that belongs to no group."""
    if exchange.credential:
        call(exchange, "kong.response.error", [403, DENIED])
    call(exchange, "kong.response.error", [401])
