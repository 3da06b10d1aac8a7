"""Passwords that look like what Kong's database keeps of them: whoever knows such a hash could come in with it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from outrider.config import Configuration

_HASH = re.compile(r"[0-9a-f]{40}")  # SHA-1 of the password and the consumer's id


def doubts(configuration: Configuration) -> Iterator[str]:
    """One line for each."""
    document = configuration.document
    data = cast("Mapping[str, Any]", document.data)
    for index, consumer in enumerate(cast("Sequence[Mapping[str, Any]]", data.get("consumers") or ())):
        for inner, row in enumerate(consumer.get("basicauth_credentials") or ()):
            if _HASH.fullmatch(row["password"]):
                place = ("consumers", index, "basicauth_credentials", inner, "password")
                found = document.mistake(
                    place,
                    "looks like Kong's hash of a password, and would be the password itself",
                    "write the password, or its hash with $argon2, $2b$ or sha256: before it",
                )
                yield f"{found.line}: {found.where}: warning: {found.what}: {found.remedy}"
