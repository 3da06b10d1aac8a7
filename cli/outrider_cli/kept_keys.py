"""Private keys that stand in the file itself: Envoy gets them in files of their own.

A resource that it refuses it writes into its log, with every key that is in it.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from outrider.config.certificates import Certificate
from outrider_cli.folder import write_private


def has_inline_key(certificate: Certificate) -> bool:
    """Whether a key of it stands in the file."""
    return any(key.variable is None and key.path is None for _, key in certificate.pairs)


def kept(document: Any, folder: Path) -> Any:
    """The document with the files' names in the place of the keys: a key has the same one always."""
    if isinstance(document, list):
        return [kept(one, folder) for one in cast("Sequence[Any]", document)]
    if not isinstance(document, dict):
        return document
    fields = cast("dict[str, Any]", document)
    return {
        name: _source(value, folder) if name == "private_key" else kept(value, folder)
        for name, value in fields.items()
    }


def _source(source: dict[str, str], folder: Path) -> dict[str, str]:
    key = source.get("inline_string")
    if key is None:
        return source
    path = folder / f"{sha256(key.encode()).hexdigest()[:32]}.key"
    write_private(path, key)
    return {"filename": str(path)}
