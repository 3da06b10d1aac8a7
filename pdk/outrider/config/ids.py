"""Identifiers for what has none in the file: the same in every process, as long as the name stays."""

import uuid

_NAMESPACE = uuid.UUID("5d0f5c5e-9a0b-4c1e-8a39-6f4f7a1d2b10")


def derived_id(kind: str, name: str) -> str:
    """The identifier of what has this name among its kind."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}/{name}"))
