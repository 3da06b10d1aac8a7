"""What a plugin instance needs of the gateway: a phase or a fact that nobody needs costs nothing on the wire."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from outrider.errors import HeaderError, PluginError
from outrider.headers import header_name

Hook = Literal[
    "on_request",
    "on_request_body",
    "on_request_chunk",
    "on_response",
    "on_response_body",
    "on_response_chunk",
    "on_log",
]
Fact = Literal["headers", "method", "path", "host", "client", "peer"]
Rewrite = Literal["path", "method", "body"]

HOOKS: tuple[Hook, ...] = get_args(Hook)
CHUNK_HOOKS: frozenset[Hook] = frozenset({"on_request_chunk", "on_response_chunk"})
BODY_HOOKS: frozenset[Hook] = CHUNK_HOOKS | frozenset[Hook]({"on_request_body", "on_response_body"})
RESPONSE_HOOKS: frozenset[Hook] = frozenset({"on_response", "on_response_body", "on_response_chunk", "on_log"})
"""Those that a gateway must send the response for."""
PEER: Fact = "peer"
"""The client's certificate, which is dear: asked for only by who needs it."""
FACTS: frozenset[Fact] = frozenset(get_args(Fact)) - {PEER}
REWRITES: frozenset[Rewrite] = frozenset(get_args(Rewrite))

ATTRIBUTES: Mapping[str, Fact] = {
    "headers": "headers",
    "is_grpc": "headers",
    "method": "method",
    "path": "path",
    "normal_path": "path",
    "query": "path",
    "target": "path",
    "authority": "host",
    "host": "host",
    "port": "host",
    "client": "client",
}
"""Which fact each attribute of `Request` comes from."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one plugin instance needs. The default asks for every cheap fact and for the hooks that it overrides.

    `facts`: an access to another one is an error at run time. `hooks`: narrower than the overridden ones, where
    the configuration makes one pointless. `reply_headers`: the names it may put into `request.reply_headers`.
    `identity_headers`: names that only Outrider may set; what downstream sends under them is removed.
    `resizes`: chunk hooks that may return more or fewer bytes than they got, so also ones that hold bytes back.
    `optional`: hooks that it can live without behind a gateway that has no such phase.
    `slow_hooks`: `LogRecord.slow_hooks` tells of hooks, of whatever plugin, that took more than so many seconds.
    `rewrites`: what it may change about a request beside headers and query. For `path` and `method` to set
    `request.upstream_path` and `request.upstream_method` without it is an error; with `body` a gateway that can't
    replace bodies refuses the plugin when the file is loaded, and without it when a request comes.
    """

    facts: frozenset[Fact] = FACTS
    hooks: frozenset[Hook] | None = None
    reply_headers: tuple[str, ...] = ()
    identity_headers: tuple[str, ...] = ()
    resizes: frozenset[Hook] = frozenset()
    optional: frozenset[Hook] = frozenset()
    rewrites: frozenset[Rewrite] = frozenset()
    slow_hooks: float | None = None

    def __post_init__(self) -> None:
        """Raises `PluginError` for what no gateway knows: a hook that never runs, a header that is never removed."""
        hooks = (("hooks", HOOKS), ("resizes", CHUNK_HOOKS), ("optional", HOOKS))
        for field, known in (("facts", FACTS | {PEER}), *hooks, ("rewrites", REWRITES)):
            if unknown := set(getattr(self, field) or ()).difference(known):
                raise PluginError(f"Needs.{field} has {sorted(unknown)}: choose from {', '.join(sorted(known))}")
        for field in ("reply_headers", "identity_headers"):
            names: object = getattr(self, field)
            if isinstance(names, str):
                raise PluginError(f"Needs.{field} is the text {names!r}: write a tuple, ({names!r},)")
            _check_names(getattr(self, field), field)
        for name in self.reply_headers:
            if name.lower() == "set-cookie" or "%" in name:
                raise PluginError(f"Needs.reply_headers has {name}, which can't be told in advance: use on_response")

    def hidden(self) -> dict[str, Fact]:
        """The attributes of `Request` that the instance may not touch, each with the fact it would need."""
        return {name: fact for name, fact in ATTRIBUTES.items() if fact not in self.facts}


def _check_names(names: Iterable[str], field: str) -> None:
    try:
        for name in names:
            header_name(name)
    except HeaderError as error:
        raise PluginError(f"Needs.{field}: {error}") from None
