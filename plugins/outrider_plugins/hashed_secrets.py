"""How a secret stands in the file that is not in clear."""

import re

_SHA256 = re.compile(r"sha256:([0-9A-Fa-f]{64})")
_LIKE_A_HASH = re.compile(r"\$[0-9A-Za-z-]+\$|\$argon2|\{[0-9A-Z.-]+\}|(?i:sha256:)")


def sha256_digest(text: str) -> bytes | None:
    """The digest in `sha256:` and 64 hexadecimal digits; None for anything else."""
    found = _SHA256.fullmatch(text)
    return bytes.fromhex(found[1]) if found else None


def looks_hashed(text: str) -> bool:
    """Whether a secret was meant to be a hash: taken for one in clear, it would let in whoever knows the hash."""
    return _LIKE_A_HASH.match(text) is not None
