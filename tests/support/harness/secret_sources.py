"""Where secrets stand: in requests, and in configuration files."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, unquote_plus

from outrider.config import document
from outrider.config.mistake import ConfigError
from outrider.config.secrets import Secrets as Vault
from outrider.config.shape import Shape, shape_of
from outrider.config.where import Place

Found = Iterator[tuple[str, str]]
"""Secrets, each with where it stands."""

CREDENTIALS = {"keyauth_credentials": "key", "jwt_secrets": "secret", "basicauth_credentials": "password"}
_NAME = re.compile(r"authorization|cookie|(?:^|[-_])(?:api)?keys?$|token|secret|passw|phrase", re.IGNORECASE)
_NO_SECRETS = {"sec-websocket-key", "idempotency-key", "set-cookie"}
_PARAMETER = re.compile(r"[?&]([^=&#\s]+)=([^&#\s]+)")


@lru_cache(1 << 14)
def is_credential(name: str) -> bool:
    """Whether the name of a header, a parameter or a field says that its value is a secret."""
    return _NAME.search(name) is not None and name.lower() not in _NO_SECRETS


def in_header(name: str, value: str) -> Found:
    """The credentials that a header carries."""
    if not is_credential(name):
        return
    origin = f"the request header {name.lower()}"
    if "cookie" in name.lower():
        yield from ((pair.partition("=")[2].strip(' "'), origin) for pair in value.split(";"))
    elif "authorization" in name.lower():
        yield from ((secret, origin) for secret in _of_authorization(value.strip()))
    else:
        yield value, origin
        yield from ((part.strip(), origin) for part in value.split(",") if "," in value)


def _of_authorization(value: str) -> Iterator[str]:
    scheme, _, credential = value.partition(" ")
    yield credential.strip() or value
    if scheme.lower() == "basic":
        with suppress(ValueError):
            yield base64.b64decode(credential).decode("utf-8", "surrogateescape").partition(":")[2]


def in_target(target: str) -> Found:
    """The credentials in a request's query."""
    for name, value in _PARAMETER.findall(target):
        if is_credential(unquote(name)):
            yield value, f"the query parameter {name}"
            yield unquote_plus(value), f"the query parameter {name}"


def in_request(raw: bytes) -> Found:
    """The credentials in a request as it goes over the wire."""
    start, *lines = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    yield from in_target(start)
    for line in lines:
        name, _, value = line.partition(":")
        yield from in_header(name.strip(), value.strip())


def in_file(path: Path, environ: Mapping[str, str]) -> Found:
    """The secrets of an Outrider file, and what its references stand for in that environment."""
    try:
        read = document.read(path)
    except (ConfigError, OSError):
        return
    if ("_format_version",) not in dict(_texts(read.data)):
        return
    data = Vault(read, environ).data
    fields = {place: field for place, _ in _texts(data) if (field := _secret_field(data, place))}
    ordinary = "\n".join(value for place, value in _texts(data) if place not in fields)
    for place, value in _texts(data):
        # What also stands where all may read it is no secret.
        if place in fields and value not in ordinary:
            yield from ((secret, f"{fields[place]} of {path.name}") for secret in secrets_in(value))


def secrets_in(value: str) -> Sequence[str]:
    """All of it; of an address only the password in it, for the rest may be told."""
    if "://" not in value:
        return [value]
    password = value.partition("://")[2].rpartition("@")[0].partition(":")[2]
    return [password, unquote_plus(password)] if password else []


def _secret_field(data: Any, place: Place) -> str | None:
    names = [step for step in place if isinstance(step, str)]
    if any(CREDENTIALS.get(kind) == names[-1] for kind in names[:-1]):
        return f"{names[-2]}.{names[-1]}"
    return f"a plugin's {names[-1]}" if "config" in names and _is_secret_field(data, place) else None


def _is_secret_field(data: Any, place: Place) -> bool:
    depth = place.index("config")
    entry = data
    for step in place[:depth]:
        entry = entry[step]
    inner = place[depth + 1 :]
    if (shape := _shape(str(entry.get("name")))) is not None:
        return shape.is_secret(inner)
    return any(isinstance(step, str) and is_credential(step) for step in inner)


@cache
def _shape(plugin: str) -> Shape | None:
    """What is known of an installed plugin's fields."""
    for entry in entry_points(group="outrider.plugins", name=plugin):
        return shape_of(entry.load())
    return None


def _texts(value: object, place: Place = ()) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, item in cast("dict[str, object]", value).items():
            yield from _texts(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(cast("Sequence[object]", value)):
            yield from _texts(item, (*place, index))
