"""Passwords as they stand in the file, and whether a given one is right."""

import hmac
import re
from contextlib import nullcontext
from hashlib import sha256
from threading import Lock
from typing import Protocol

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2d, Argon2i, Argon2id

from outrider_plugins.hashed_secrets import looks_hashed, sha256_digest

MEMORY = 128 * 1024
"""The most memory that an Argon2 hash may ask for, in KiB: a worker has two verifications at once."""
LANES = 8
"""The most lanes of an Argon2 hash, each of which may be a thread while it is verified."""

# OpenSSL verifies lanes in threads of its own. Where two verifications want some at once, one fails and the other
# never ends (seen with OpenSSL 4.0).
_lanes_free = Lock()
_NOTHING = nullcontext()

_VERIFY = {
    "id": Argon2id.verify_phc_encoded,
    "i": Argon2i.verify_phc_encoded,
    "d": Argon2d.verify_phc_encoded,
}
_NUMBER = "([1-9][0-9]{0,9})"
# Unpadded; what follows the last whole byte is zero, as it always is.
_BASE64 = "((?:[0-9A-Za-z+/]{4})*(?:[0-9A-Za-z+/][AQgw]|[0-9A-Za-z+/]{2}[AEIMQUYcgkosw048])?)"
_ARGON2 = re.compile(rf"\$argon2(id|i|d)\$v=19\$m={_NUMBER},t={_NUMBER},p={_NUMBER}\${_BASE64}\${_BASE64}")
# The last characters of salt and digest stand for two and four bits. With any other there no password is right.
_BCRYPT = re.compile(
    r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./0-9A-Za-z]{21}[.Oeu][./0-9A-Za-z]{30}[.CGKOSWaeimquy26]"
)

# Of one core that is not new, in seconds: for a KiB in a pass, and for the least that bcrypt does.
_ARGON2_STEP = 1.7e-6
_BCRYPT_STEP = 1e-4
_BCRYPT_LONGEST = 72


class Stored(Protocol):
    """One password of the file."""

    @property
    def cost(self) -> float:
        """About how long `matches` takes, in seconds; 0 if it is not worth a thread."""
        ...

    def matches(self, password: bytes, /) -> bool:
        """Whether this is the password. How long it takes says nothing about how much of it was right."""
        ...


def stored_password(text: str) -> Stored:
    """Reads a password of the file: a hash, or else the password itself.

    Raises `ValueError` for what looks like a hash and is none that can be verified; it never holds the text.
    """
    if text.startswith("$argon2"):
        return Argon2Hash(text)
    if text.startswith(("$2a$", "$2b$", "$2y$")):
        return BcryptHash(text)
    if digest := sha256_digest(text):
        return Digest(digest)
    if looks_hashed(text):
        raise ValueError(
            "looks like a hash, and is none that is known here: make one with Argon2 or bcrypt, "
            "or write sha256: and 64 hexadecimal digits"
        )
    return Digest(sha256(text.encode("utf-8", "surrogatepass")).digest())


class Digest:
    """The SHA-256 of a password. Also for one in clear: digests are all of one length, which tells nothing."""

    __slots__ = ("_digest", "cost")

    def __init__(self, digest: bytes) -> None:
        self._digest = digest
        self.cost = 0.0

    def matches(self, password: bytes, /) -> bool:
        return hmac.compare_digest(sha256(password).digest(), self._digest)


class Argon2Hash:
    """An Argon2 hash (RFC 9106) as the PHC string format writes it. Verified without the interpreter's lock."""

    __slots__ = ("_guard", "_text", "_verify", "cost")

    def __init__(self, text: str) -> None:
        found = _ARGON2.fullmatch(text)
        if found is None or not (8 <= _bytes(found[5]) <= 64 and 16 <= _bytes(found[6]) <= 64):
            raise ValueError(
                "is no whole Argon2 hash (version 19, a salt of 8 to 64 bytes, a digest of 16 to 64): make it anew"
            )
        memory, passes, lanes = map(int, found.group(2, 3, 4))
        if not 8 * lanes <= memory <= MEMORY or lanes > LANES:
            raise ValueError(
                f"has m={memory} and p={lanes}, and at most m={MEMORY} and p={LANES} are verified here, "
                "with 8 of m for each of p: hash it with others"
            )
        self._verify = _VERIFY[found[1]]
        self._guard = _lanes_free if lanes > 1 else _NOTHING
        self._text = text
        self.cost = memory * passes * _ARGON2_STEP

    def matches(self, password: bytes, /) -> bool:
        with self._guard:
            try:
                self._verify(password, self._text)
            except InvalidKey:
                return False
            return True


class BcryptHash:
    """A bcrypt hash, which needs the extra `bcrypt`. Verified without the interpreter's lock."""

    __slots__ = ("_check", "_text", "cost")

    def __init__(self, text: str) -> None:
        found = _BCRYPT.fullmatch(text)
        if found is None:
            raise ValueError("is no whole bcrypt hash (60 characters, a cost of 04 to 31): make it anew")
        try:
            # Only here, since it is an extra.
            from bcrypt import checkpw
        except ImportError:
            raise ValueError("is a bcrypt hash, which needs the package bcrypt: install outrider[bcrypt]") from None
        self._check = checkpw
        self._text = text.encode()
        self.cost = 2 ** int(found[1]) * _BCRYPT_STEP

    def matches(self, password: bytes, /) -> bool:
        # bcrypt reads no more, so a longer one can't have been hashed. It is refused no sooner than others.
        matches = self._check(password[:_BCRYPT_LONGEST], self._text)
        return matches and len(password) <= _BCRYPT_LONGEST


def _bytes(encoded: str) -> int:
    return len(encoded) * 3 // 4
