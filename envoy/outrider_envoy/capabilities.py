"""What Envoy can't do for a plugin: found when the file is loaded, not when a request comes."""

from collections.abc import Iterator

from outrider.config import Configuration, Mistake
from outrider.needs import Hook
from outrider.route_table import RouteTable, TooManyError
from outrider.routing import rules
from outrider_envoy.tls_capabilities import unasked_clients, unshown
from outrider_envoy.upstream_capabilities import unforwarded

_MISSING: dict[str, dict[Hook, str]] = {
    "ext_proc": {},
    "ext_authz": {
        "on_request_chunk": "bodies piece by piece",
        "on_response": "a response phase",
        "on_response_body": "a response phase",
        "on_response_chunk": "a response phase",
        "on_log": "the end of a request",
    },
}


def unsupported(configuration: Configuration) -> list[Mistake]:
    """One mistake for each plugin that needs a phase which the protocol has not, and for what upstreams can't be."""
    return [
        *_hooks(configuration),
        *_bodies(configuration),
        *unforwarded(configuration),
        *unshown(configuration),
        *_too_many(configuration),
    ]


def unasked(configuration: Configuration) -> Iterator[Mistake]:
    """What the Envoy of a whole bootstrap asks nobody for."""
    yield from unasked_clients(configuration)
    if configuration.gateway.rate_limit_service is not None:
        yield configuration.document.mistake(
            ("gateway", "rate_limit_service"),
            "is for the rate limit filter of an Envoy of your own; this one has none, so these limits would hold "
            "for nobody",
            "put the plugin rate-limit in its place, or keep to `serve envoy` and `render envoy --filters`",
        )


def printed_keys(configuration: Configuration) -> Iterator[Mistake]:
    """The private keys that a bootstrap would show to whoever reads it."""
    for one in configuration.certificates:
        if any(key.variable is None and key.path is None for _, key in one.pairs):
            yield Mistake(
                configuration.document.file,
                one.line,
                f"certificate {one.id}",
                "has its private key in the file, which would be printed here",
                "write the key as {vault://file/PATH} or {vault://env/NAME}",
            )


def _hooks(configuration: Configuration) -> Iterator[Mistake]:
    protocol = configuration.gateway.protocol
    missing = _MISSING[protocol]
    for one in configuration.plugins:
        needed = one.plugin.hooks() - one.plugin.needs().optional
        for hook in sorted(needed & missing.keys()):
            yield Mistake(
                configuration.document.file,
                one.line,
                f"plugin {one.name}",
                f"needs {hook}, and {protocol} has not {missing[hook]}",
                "set gateway.protocol to ext_proc, or leave the plugin out",
            )


def _bodies(configuration: Configuration) -> Iterator[Mistake]:
    for one in configuration.plugins:
        if configuration.gateway.protocol == "ext_authz" and "body" in one.plugin.needs().rewrites:
            yield Mistake(
                configuration.document.file,
                one.line,
                f"plugin {one.name}",
                "replaces bodies of requests, which ext_authz can't carry",
                "set gateway.protocol to ext_proc, or leave the plugin out",
            )


def _too_many(configuration: Configuration) -> Iterator[Mistake]:
    try:
        RouteTable(rules(configuration.routes))
    except TooManyError as error:
        yield Mistake(configuration.document.file, 1, "routes", error.what, error.remedy)
