"""The plugin key-auth: consumers prove who they are with a secret key."""

from hashlib import sha256
from typing import ClassVar

from outrider import Consumers, Credential, HeaderName, Identity, Refusal, Request, Runtime
from outrider_plugins.credential_source import CredentialSource
from outrider_plugins.hashed_secrets import looks_hashed, sha256_digest
from outrider_plugins.placed_auth import PlacedAuth

SIZE = 5_000
"""For how many keys what upstream is told is at hand; for one more, all of it is made anew when it is needed."""


class KeyAuth(PlacedAuth):
    """Lets requests in that carry the key of a consumer, in a header, a query parameter or a cookie.

    The keys are the consumers' `keyauth_credentials`, in clear or as `sha256:` and the 64 hexadecimal digits of the
    key's SHA-256. A request with more than one key is refused, even if all of them are good.
    """

    priority: ClassVar[int] = 1250

    header: HeaderName | None = "x-api-key"
    """The header that carries the key; null for none. A key with a comma can't be sent in it."""

    def check(self, consumers: Consumers, /) -> None:
        consumers.once(_credentials)

    async def start(self, runtime: Runtime, /) -> None:
        await super().start(runtime)
        self._source = CredentialSource(self.header, self.query, self.cookie)
        self._credentials = runtime.consumers.once(_credentials)
        # An identity keeps its headers: those of all keys would take more room than the keys.
        self._known: dict[bytes, Identity] = {}

    def authenticate(self, request: Request, /) -> Identity | Refusal | None:
        keys = self._source.find(request)
        if not keys:
            return None
        return (self._identity(_digest(keys[0])) if len(keys) == 1 else None) or self.refuse()

    def challenge(self) -> str:
        return "Key"

    def hide_credential(self, request: Request, /) -> None:
        self._source.remove(request)

    def _identity(self, digest: bytes) -> Identity | None:
        known = self._known.get(digest)
        if known is None and (credential := self._credentials.get(digest)):
            if len(self._known) >= SIZE:
                self._known.clear()
            known = self._known[digest] = Identity(credential.id, credential.consumer)
        return known


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()


def _credentials(consumers: Consumers) -> dict[bytes, Credential]:
    """Whose each key is. Found by digest: how long a look-up takes says nothing about how much of a key was right."""
    found: dict[bytes, Credential] = {}
    for credential in consumers.credentials("keyauth_credentials"):
        digest = _stored_digest(credential)
        if digest in found:
            raise ValueError("two keyauth_credentials have the same key: give each consumer one of its own")
        found[digest] = credential
    return found


def _stored_digest(credential: Credential) -> bytes:
    key = credential.secret("key")
    if digest := sha256_digest(key):
        return digest
    if looks_hashed(key):
        owner = credential.consumer.name
        raise ValueError(
            f"a keyauth_credentials key of {owner} is hashed in a way that can't be looked up: "
            "write sha256: and the 64 hexadecimal digits of the key's SHA-256"
        )
    return _digest(key)
