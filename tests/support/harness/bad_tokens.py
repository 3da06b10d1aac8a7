"""Bad tokens without end, each a different one, as a flood of them looks; none takes a signature to make."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from random import Random
from typing import Any

from signing import b64

_SEED = 6


def bad_signatures(good: str) -> Iterator[str]:
    """A good token's header and claims, with another signature of the same length."""
    signed, _, signature = good.rpartition(".")
    return (f"{signed}.{made}" for made in _signatures(len(signature) * 3 // 4))


def unknown_keys(good: str) -> Iterator[str]:
    """Each names another key of the issuer, which it does not have."""
    header, payload, signature = good.split(".")
    for number, made in enumerate(_signatures(len(signature) * 3 // 4)):
        yield f"{_with(header, kid=f'unknown-{number}')}.{payload}.{made}"


def unknown_issuers(good: str) -> Iterator[str]:
    """Each comes from another issuer, which nobody trusts."""
    header, payload, signature = good.split(".")
    for number, made in enumerate(_signatures(len(signature) * 3 // 4)):
        yield f"{header}.{_with(payload, iss=f'https://unknown-{number}.example')}.{made}"


def garbage(_: str) -> Iterator[str]:
    """Text of any length that is no token."""
    chance = Random(_SEED)  # noqa: S311 - no secret
    for number in count():
        yield f"{number}.{b64(chance.randbytes(chance.randrange(600)))}{chance.choice(['', '.', '=', '.e30.'])}"


KINDS: Mapping[str, Callable[[str], Iterator[str]]] = {
    "bad signatures": bad_signatures,
    "unknown keys": unknown_keys,
    "unknown issuers": unknown_issuers,
    "garbage": garbage,
}
"""Makes the tokens of each kind out of a good one."""


def _signatures(length: int) -> Iterator[str]:
    # The first byte is zero: a number above RSA's modulus would be refused without any arithmetic.
    chance = Random(_SEED)  # noqa: S311 - no secret
    while True:
        yield b64(b"\0" + chance.randbytes(length - 1))


def _with(part: str, **members: Any) -> str:
    document = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return b64(json.dumps({**document, **members}).encode())
