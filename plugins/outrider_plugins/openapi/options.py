"""How schemas are compiled."""

import base64
import binascii
from typing import Any

import jsonschema_rs


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    return True


OPTIONS: dict[str, Any] = {
    "formats": {"byte": _is_base64},
    "validate_formats": True,
    # In time that grows with the text, whatever the pattern.
    "pattern_options": jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20),
    "offline": True,
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
