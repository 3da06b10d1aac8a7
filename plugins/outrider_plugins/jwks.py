"""Keys that tokens are verified with, as a JSON Web Key Set (RFC 7517) or a single key holds them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import jwt

SYMMETRIC = frozenset({"HS256", "HS384", "HS512"})

_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA", "Ed448": "EdDSA"}
_MIN_RSA_BITS = 2048  # RFC 7518, section 3.3


@dataclass(frozen=True, slots=True)
class Key:
    """One key, and the algorithms that it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    material: Any


class KeySet:
    """Keys found by their id and the algorithm of a token."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """The keys that may have signed a token: of that id if it names one, and made for the algorithm."""
        return [key for key in self._keys if algorithm in key.algorithms and kid in (None, key.kid)]

    def has(self, kid: str | None) -> bool:
        """Whether there is a key of that id."""
        return kid is None or any(key.kid == kid for key in self._keys)


def parse_jwks(text: str | bytes) -> KeySet:
    """The usable keys of a JWKS. Raises `ValueError` if it is none, or has no usable key."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("is no JSON") from error
    found: Any = cast("dict[str, Any]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise ValueError('is no JWKS: it has no list "keys"')
    items: list[Any] = found
    rows = [cast("dict[str, Any]", row) for row in items if isinstance(row, dict)]
    keys = [key for row in rows if (key := _key(row))]
    if not keys:
        raise ValueError("has no key that can verify a signature")
    return KeySet(keys)


def secret_key(secret: str, algorithm: str) -> Key:
    """A shared secret for one of the HS algorithms."""
    return Key(None, frozenset({algorithm}), secret.encode())


def pem_key(pem: str, algorithm: str) -> Key:
    """A public key as PEM. Raises `ValueError` if it does not fit the algorithm."""
    try:
        material = jwt.get_algorithm_by_name(algorithm).prepare_key(pem)
    except Exception as error:
        raise ValueError(f"is no public key for {algorithm}") from error
    return Key(None, frozenset({algorithm}), material)


def _key(row: Mapping[str, Any]) -> Key | None:
    """One row, or None for a key of another use, or of a kind that we do not know (RFC 7517, section 5)."""
    algorithms = _fitting(row)
    operations = row.get("key_ops")
    if not algorithms or row.get("use", "sig") != "sig":
        return None
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return None
    kid = row.get("kid")
    try:
        material = jwt.PyJWK(dict(row), algorithm=next(iter(sorted(algorithms)))).key
    except Exception:  # noqa: BLE001 - whatever is wrong with one key, the others may be good
        return None
    if getattr(material, "key_size", _MIN_RSA_BITS) < _MIN_RSA_BITS and row.get("kty") == "RSA":
        return None
    return Key(kid if isinstance(kid, str) else None, algorithms, material)


def _fitting(row: Mapping[str, Any]) -> frozenset[str]:
    """The algorithms of a key: its own `alg`, or else those of its type."""
    kinds: dict[Any, frozenset[str]] = {
        "RSA": _RSA,
        "EC": _on_curve(row),
        "OKP": _on_curve(row),
        "oct": SYMMETRIC,
    }
    fitting = kinds.get(row.get("kty"), frozenset())
    own = row.get("alg")
    return fitting if own is None else fitting & {own if isinstance(own, str) else ""}


def _on_curve(row: Mapping[str, Any]) -> frozenset[str]:
    algorithm = _CURVES.get(str(row.get("crv")))
    return frozenset({algorithm}) if algorithm else frozenset()
