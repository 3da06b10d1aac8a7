"""Identifiers for what has none in the file: the same in every process, as long as the name stays."""

import uuid
from hashlib import sha1

_NAMESPACE = uuid.UUID("5d0f5c5e-9a0b-4c1e-8a39-6f4f7a1d2b10").bytes


def derived_id(kind: str, name: str) -> str:
    """The identifier of what has this name among its kind."""
    # RFC 9562, section 5.5, as uuid.uuid5 does in five times as long: files have 100,000 consumers.
    text = sha1(_NAMESPACE + f"{kind}/{name}".encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


_KONGS_ROUTES = uuid.uuid5(uuid.UUID("fd02801f-0957-4a15-a55a-c8d9606f30b5"), "routes")


def route_id(name: str) -> str:
    """The identifier that Kong without a database makes of a route's name: its router goes by it among equals."""
    return str(uuid.uuid5(_KONGS_ROUTES, name))
