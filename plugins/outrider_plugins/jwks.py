"""Keys that tokens are verified with, as a JSON Web Key Set (RFC 7517) or a single key holds them."""

import json
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast, get_args

import jwt

from outrider_plugins.strict_json import is_list

Asymmetric = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
Symmetric = Literal["HS256", "HS384", "HS512"]
ALGORITHMS = {name: jwt.get_algorithm_by_name(name) for name in (*get_args(Asymmetric), *get_args(Symmetric))}

MOST = 100
"""How many keys a set may have."""
TRIED = 4
"""How many keys a token is tried with, where it names none or several have its id: each try takes time."""

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {
    ("EC", "P-256"): "ES256",
    ("EC", "P-384"): "ES384",
    ("EC", "P-521"): "ES512",
    ("OKP", "Ed25519"): "EdDSA",
    ("OKP", "Ed448"): "EdDSA",
}
_MIN_RSA_BITS = 2048  # RFC 7518, section 3.3
_MIN_SECRET = {"HS256": 32, "HS384": 48, "HS512": 64}  # bytes; RFC 7518, section 3.2


class NoKeysError(Exception):
    """There are no keys yet, so nobody can say whether a token is good."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, and the algorithms that it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    material: Any = field(repr=False)


class KeySource(Protocol):
    """Where the keys of one issuer come from."""

    @property
    def version(self) -> int:
        """Grows when the keys change."""
        ...

    def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """The keys that may have signed a token. Raises `NoKeysError` if there are none as yet."""
        ...

    def look_again(self) -> Awaitable[None] | None:
        """Asks for newer keys: what to wait for, or None if none will come. Raises `NoKeysError` as `find` does."""
        ...


class KeySet:
    """Keys found by their id and the algorithm of a token."""

    version = 0

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)

    def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """The keys that are made for the algorithm and of that id, or of any if the token or the key has no id.

        Where they are more than four there are none: who could make us try them all could keep us busy.
        """
        named = (key for key in self._keys if kid is None or key.kid in (None, kid))
        found = [key for key in named if algorithm in key.algorithms]
        return found if len(found) <= TRIED else []

    def look_again(self) -> None:
        """There is nothing to wait for: these keys never change."""


def parse_jwks(text: str | bytes) -> KeySet:
    """The usable keys of a JWKS. Raises `ValueError` if it is none, or has no usable key."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("is no JSON") from error
    found: Any = cast("dict[str, Any]", document).get("keys") if isinstance(document, dict) else None
    if not is_list(found):
        raise ValueError('is no JWKS: it has no list "keys"')
    if len(found) > MOST:
        raise ValueError(f"has {len(found)} keys, more than {MOST}")
    rows = [cast("dict[str, Any]", row) for row in found if isinstance(row, dict)]
    keys = [key for row in rows if (key := _key(row))]
    if not keys:
        raise ValueError("has no key that can verify a signature")
    return KeySet(keys)


def secret_key(secret: str, algorithm: str) -> Key:
    """A shared secret for one of the HS algorithms. Raises `ValueError` for what can't be one."""
    try:
        # PyJWT refuses what is a public key by its looks: everybody knows that one.
        material = ALGORITHMS[algorithm].prepare_key(secret)
    except jwt.InvalidKeyError as error:
        raise ValueError(f"secret can't be a secret for {algorithm}, write a random one") from error
    return Key(None, frozenset({algorithm}), material)


def is_short(secret: str, algorithm: str) -> bool:
    """Whether a shared secret is shorter than its algorithm wants it; a public key never is."""
    return len(secret.encode()) < _MIN_SECRET.get(algorithm, 0)


def pem_key(pem: str, algorithm: str) -> Key:
    """A public key as PEM. Raises `ValueError` if it does not fit the algorithm."""
    try:
        material = _public(ALGORITHMS[algorithm].prepare_key(pem))
    except Exception as error:
        raise ValueError(f"rsa_public_key is no public key for {algorithm}, write one as PEM") from error
    if algorithm in _RSA and material.key_size < _MIN_RSA_BITS:
        raise ValueError(f"rsa_public_key has {material.key_size} bits, {algorithm} needs {_MIN_RSA_BITS}")
    return Key(None, frozenset({algorithm}), material)


def _key(row: Mapping[str, Any]) -> Key | None:
    """One row, or None for a key of another use, or of a kind that we do not know (RFC 7517, section 5)."""
    fitting = _fitting(row)
    kid = row.get("kid")
    if not fitting or not _verifies(row) or not isinstance(kid, str | None):
        return None
    try:
        material = _public(jwt.PyJWK(dict(row), algorithm=min(fitting)).key)
    except Exception:  # noqa: BLE001 - whatever is wrong with one key, the others may be good
        return None
    algorithms = frozenset(name for name in fitting if _is_long_enough(material, name))
    return Key(kid, algorithms, material) if algorithms else None


def _verifies(row: Mapping[str, Any]) -> bool:
    operations = row.get("key_ops", ["verify"])
    return row.get("use", "sig") == "sig" and is_list(operations) and "verify" in operations


def _fitting(row: Mapping[str, Any]) -> frozenset[str]:
    """The algorithms of a key: its own `alg`, or else those of its type and curve."""
    kind, own = row.get("kty"), row.get("alg")
    if kind == "RSA":
        fitting = _RSA
    elif kind == "oct":
        fitting = frozenset(_MIN_SECRET)
    else:
        fitting = frozenset(name for curve, name in _CURVES.items() if curve == (kind, row.get("crv")))
    return fitting if own is None else frozenset(name for name in fitting if name == own)


def _is_long_enough(material: Any, algorithm: str) -> bool:
    if algorithm in _MIN_SECRET:
        return len(material) >= _MIN_SECRET[algorithm]
    return algorithm not in _RSA or material.key_size >= _MIN_RSA_BITS


def _public(material: Any) -> Any:
    # A set or a PEM may hold the private key by mistake; to verify, its public half is enough.
    return material.public_key() if hasattr(material, "public_key") else material
