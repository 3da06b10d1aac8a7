"""The fields that everything has which counts: the plugins, and the rate limit service."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, WithJsonSchema

_NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def known_namespace(text: str) -> str:
    """The text, if it can be a namespace. Raises `ValueError`."""
    if not _NAMESPACE.fullmatch(text):
        raise ValueError(f"{text[:64]!r} is no namespace: use 1 to 64 letters, digits and . _ -")
    return text


Algorithm = Literal["fixed-window", "sliding-window", "gcra"]
"""How requests are counted."""
StorageAddress = Annotated[Literal["memory"] | SecretStr, Field(union_mode="left_to_right")]
"""Where the counts are: in this machine's memory, or at an address that may hold a password."""
Namespace = Annotated[
    str, AfterValidator(known_namespace), WithJsonSchema({"type": "string", "pattern": f"^{_NAMESPACE.pattern}$"})
]
"""What keeps counts of several gateways apart in one storage."""
OnStorageError = Literal["deny", "local", "allow"]
"""What becomes of a request that can't be counted."""
