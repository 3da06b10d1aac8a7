"""What Envoy can't do for a plugin: found when the file is loaded, not when a request comes."""

from collections.abc import Iterator

from outrider.config import Configuration, Mistake
from outrider.needs import Hook

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
    """One mistake for each plugin that needs a phase which the file's protocol does not have."""
    return [*_hooks(configuration), *_gateway(configuration)]


def unasked(configuration: Configuration) -> Iterator[Mistake]:
    """What the Envoy of a whole bootstrap asks nobody for."""
    if configuration.gateway.rate_limit_service is not None:
        yield configuration.document.mistake(
            ("gateway", "rate_limit_service"),
            "is for the rate limit filter of an Envoy of your own; this one has none, so these limits would hold "
            "for nobody",
            "put the plugin rate-limit in its place, or keep to `serve envoy` and `render envoy --filters`",
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


def _gateway(configuration: Configuration) -> Iterator[Mistake]:
    document = configuration.document
    for service in configuration.services:
        if service.protocol == "https":
            where = f"service {service.name}"
            yield Mistake(
                document.file, service.line, where, "has an https upstream, not served yet", "give an http url"
            )
