"""What Kong can't do for a file: found when the file is loaded, not when a request comes."""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, cast

from outrider.config import Configuration, Mistake
from outrider.config.document import Document
from outrider.config.mistake import shown
from outrider.config.where import Place
from outrider.needs import CHUNK_HOOKS, PEER, Hook
from outrider.plugin import Plugin
from outrider_kong.certificates import shown_certificates
from outrider_kong.kongs_own import unsupported_beside

_NO_TAG = re.compile(r"[,/\x00-\x1f\x7f]")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
_NUMBER = re.compile(r"[0-9.]+")
_NO_NAME = "no address, and Kong takes no name of digits and dots only"
_FOUR_NUMBERS = "write four numbers, or a name"
_LISTS = ("services", "routes", "consumers", "upstreams", "targets", "certificates", "ca_certificates")
_TLS = ("client_certificate", "tls_verify", "tls_verify_depth", "authorities")
_REFERENCE = "write {vault://env/NAME}, with a NAME in capitals: Kong reads it there by itself"


def unsupported(configuration: Configuration) -> list[Mistake]:
    """One mistake for each thing that needs what Kong has not, and for each entity that Kong would refuse."""
    document = configuration.document
    judges = (_hooks, _limits, _upstreams, _certificates, _clients, unsupported_beside)
    return [*(mistake for judge in judges for mistake in judge(configuration)), *_entities(document)]


def unseen(plugin: Plugin) -> list[Hook]:
    """The hooks that a plugin can't do without, and that Kong has no phase for."""
    return sorted((plugin.hooks() - plugin.needs().optional) & CHUNK_HOOKS)


def _hooks(configuration: Configuration) -> Iterator[Mistake]:
    for one in configuration.plugins:
        for hook in unseen(one.plugin):
            yield Mistake(
                configuration.document.file,
                one.line,
                f"plugin {one.name}",
                f"needs {hook}, and Kong shows plugins no bodies piece by piece",
                "leave the plugin out, or run it behind Envoy",
            )


def _limits(configuration: Configuration) -> Iterator[Mistake]:
    if configuration.gateway.rate_limit_service is not None:
        yield configuration.document.mistake(
            ("gateway", "rate_limit_service"),
            "is for an Envoy's rate limit filter; Kong has none, so these limits would hold for nobody",
            "put the plugin rate-limit in its place",
        )


def _upstreams(configuration: Configuration) -> Iterator[Mistake]:
    for one in configuration.services:
        if _is_number(one.host):
            what = f"has the host {shown(one.host)}, which is {_NO_NAME}"
            yield Mistake(configuration.document.file, one.line, f"service {one.name}", what, _FOUR_NUMBERS)
        if one.protocol == "grpcs" and any(getattr(one, field) for field in _TLS):
            what = "has TLS settings, which Kong has for https only"
            yield Mistake(configuration.document.file, one.line, f"service {one.name}", what, "remove them")


def _clients(configuration: Configuration) -> Iterator[Mistake]:
    """What would need the certificates of clients, which Kong tells no plugin server."""
    if configuration.tls is not None and configuration.tls.client_certificates != "none":
        what = "is not carried over: Kong asks clients for certificates only where one of its own plugins does"
        yield configuration.document.mistake(("gateway", "tls", "client_certificates"), what, "remove it")
    for one in configuration.plugins:
        if PEER in one.plugin.needs().facts:
            what = "looks at the certificates of clients, which Kong shows no plugin of another process"
            remedy = "leave the plugin out, or run it behind Envoy"
            yield Mistake(configuration.document.file, one.line, f"plugin {one.name}", what, remedy)


def _certificates(configuration: Configuration) -> Iterator[Mistake]:
    for one in shown_certificates(configuration):
        if not all(_VARIABLE.fullmatch(key.variable or "") for _, key in one.pairs):
            what = "has a private key that `render kong` would have to show"
            yield Mistake(configuration.document.file, one.line, f"certificate {one.id}", what, _REFERENCE)


def _entities(document: Document) -> Iterator[Mistake]:
    for place, entity in _written(document.data, ()):
        for _, text in _texts([entity.get("id")]):
            if not _is_uuid(text):
                what = f"{shown(text)} is no UUID, and Kong takes no other id"
                yield document.mistake((*place, "id"), what, "write a UUID, or leave the id out")
        for index, tag in _texts(entity.get("tags")):
            if _NO_TAG.search(tag):
                what = f"{shown(tag)} has a comma, a slash or a control character, which Kong's tags have not"
                yield document.mistake((*place, "tags", index), what, "write the tag without")
        for index, host in _texts(entity.get("hosts")):
            if _is_number(host):
                what = f"{shown(host)} is {_NO_NAME}"
                yield document.mistake((*place, "hosts", index), what, _FOUR_NUMBERS)


def _written(entity: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    """The services, routes and consumers, wherever in the file they stand. The file may have other mistakes."""
    for kind in _LISTS:
        for index, inner in enumerate(_list(entity.get(kind))):
            if isinstance(inner, dict):
                yield (*place, kind, index), cast("Mapping[str, Any]", inner)
                yield from _written(cast("Mapping[str, Any]", inner), (*place, kind, index))


def _texts(values: object) -> Iterator[tuple[int, str]]:
    return ((index, value) for index, value in enumerate(_list(values)) if isinstance(value, str))


def _list(values: object) -> Sequence[object]:
    return cast("Sequence[object]", values) if isinstance(values, list) else ()


def _is_number(host: str) -> bool:
    return bool(_NUMBER.fullmatch(host)) and not _is_address(host)


def _is_address(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
