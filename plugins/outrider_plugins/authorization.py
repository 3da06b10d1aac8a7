"""Credentials in the header `authorization`, each with its scheme (RFC 9110, section 11.6.2)."""

import re
from collections.abc import Sequence

from outrider import Request


class Scheme:
    """One scheme: Basic, Bearer."""

    def __init__(self, name: str) -> None:
        self._name = name.lower()
        # Wide, so that nothing which another server might read as this scheme is overlooked. Gateways join repeated
        # headers with a comma.
        self._any = re.compile(rf"(?:^|,)\s*{name}(?![!#$%&'*+.^_`|~0-9a-z-])", re.IGNORECASE)

    def is_in(self, credentials: Sequence[str]) -> bool:
        """Whether a credential of the scheme, however it is written, is among these."""
        return any(map(self._any.search, credentials))

    def only(self, credentials: Sequence[str]) -> str | None:
        """What stands behind the scheme, where there is one credential and it has the scheme."""
        if len(credentials) == 1:
            scheme, _, credential = credentials[0].partition(" ")
            if scheme.lower() == self._name:
                return credential.strip(" ")
        return None

    def remove(self, request: Request) -> None:
        """Takes the header off a request where it has a credential of the scheme."""
        if self.is_in(request.headers.get_all("authorization")):
            request.headers.discard("authorization")
