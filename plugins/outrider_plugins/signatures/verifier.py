"""Finds the one signature of a request and verifies it, by the library http-message-signatures (RFC 9421)."""

import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from typing import Any

import http_sf
from http_message_signatures.digests import ContentDigest
from http_message_signatures.exceptions import InvalidSignature
from http_message_signatures.resolvers import MappingKeyResolver
from http_message_signatures.signatures import HTTPMessageVerifier, SignatureVerifyWarning
from http_message_signatures.structures import VerifyResult

from outrider import Request
from outrider_plugins.signatures.keys import Key
from outrider_plugins.signatures.message import Message, signature_input

MOST_SIGNATURES = 4
MOST_COMPONENTS = 32

_library: Any = import_module("http_message_signatures.algorithms")  # it has these from elsewhere, to type checkers
_ALGORITHMS: Mapping[str, Any] = {
    "hmac-sha256": _library.HMAC_SHA256,
    "ed25519": _library.ED25519,
    "ecdsa-p256-sha256": _library.ECDSA_P256_SHA256,
    "ecdsa-p384-sha384": _library.ECDSA_P384_SHA384,
    "rsa-pss-sha512": _library.RSA_PSS_SHA512,
    "rsa-v1_5-sha256": _library.RSA_V1_5_SHA256,
}
_IMPLIED: Mapping[str, frozenset[str]] = {
    "@target-uri": frozenset({"@scheme", "@authority", "@path", "@query"}),
    "@request-target": frozenset({"@path", "@query"}),
}
"""What is in other components, too (RFC 9421, section 2.2)."""


class BadSignatureError(Exception):
    """A signature that is not good enough, for whatever reason."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a signature must be like. Times are in seconds."""

    components: frozenset[str]
    max_age: int
    leeway: int
    tag: str | None
    label: str | None
    nonce: bool


@dataclass(frozen=True, slots=True)
class Verified:
    """A good signature."""

    key: Key
    identity: bytes
    """The same for the same signature, however its bytes were written."""
    digests: dict[str, str]
    """The components that cover `Content-Digest`, with their values."""


class Verifier:
    """Verifies signatures by some keys. `clock` gives seconds since the Unix epoch."""

    def __init__(self, keys: Iterable[Key], wanted: Wanted, clock: Callable[[], float] = time.time) -> None:
        self._wanted = wanted
        self._keys: dict[str, tuple[Key, Any]] = {key.id: (key, _KeyVerifier(key, wanted, clock)) for key in keys}

    def verify(self, request: Request) -> Verified | None:
        """The signature of a request, or None where it has none. Raises `BadSignatureError`."""
        try:
            given = signature_input(request)
            return None if given is None else self._verify(request, given)
        except Exception:  # noqa: BLE001 - it is what strangers write: whatever goes wrong, no signature held
            raise BadSignatureError from None

    def _verify(self, request: Request, given: str) -> Verified:
        result: VerifyResult
        inputs: Any = http_sf.parse(given.encode(), tltype="dictionary")
        if len(inputs) > MOST_SIGNATURES:
            raise BadSignatureError
        [(label, tag, keyid)] = self._meant(inputs)
        key, verifier = self._keys[keyid]
        if len(inputs) == 1:
            [result] = verifier.verify(Message(request), max_age=None)
        else:
            with warnings.catch_warnings():
                # It warns of a choice by label alone; the key was chosen before, and no other can be taken for it.
                warnings.simplefilter("ignore", SignatureVerifyWarning)
                [result] = verifier.verify(Message(request), max_age=None, expect_label=label, expect_tag=tag)
        covered = result.covered_components
        self._check_covered(covered)
        digests = {name: value for name, value in covered.items() if name.startswith('"content-digest"')}
        return Verified(key, _identity(key, covered, result.nonce), digests)

    def _meant(self, inputs: Mapping[str, Any]) -> list[tuple[str, str | None, str]]:
        """Label, tag and key of the signatures that may be meant for us."""
        wanted = self._wanted
        return [
            (label, params.get("tag"), params["keyid"])
            for label, (components, params) in inputs.items()
            if params.get("keyid") in self._keys
            and wanted.label in (None, label)
            and wanted.tag in (None, params.get("tag"))
            and len(components) <= MOST_COMPONENTS
        ]

    def _check_covered(self, covered: Mapping[str, str]) -> None:
        names = {name[1:-1] for name in covered}
        for name, implied in _IMPLIED.items():
            if name in names:
                names |= implied
        if not self._wanted.components <= names:
            raise BadSignatureError


class _KeyVerifier(HTTPMessageVerifier):
    """What the library does, for one key, and with our clock."""

    allow_label_only_selection = True

    def __init__(self, key: Key, wanted: Wanted, clock: Callable[[], float]) -> None:
        keys = MappingKeyResolver(public_keys={key.id: key.material}, private_keys={})
        super().__init__(signature_algorithm=_ALGORITHMS[key.algorithm], key_resolver=keys)
        self._wanted = wanted
        self._clock = clock

    def validate_created_and_expires(self, sig_input: Any, max_age: object = None) -> None:
        del max_age
        now, leeway, params = self._clock(), self._wanted.leeway, sig_input.params
        created, expires = params.get("created"), params.get("expires")
        if type(created) is not int or not -leeway <= now - created <= self._wanted.max_age + leeway:
            raise InvalidSignature("created")
        if expires is not None and (type(expires) is not int or now > expires + leeway):
            raise InvalidSignature("expires")
        if self._wanted.nonce and not params.get("nonce"):
            raise InvalidSignature("nonce")


def covers(digests: Mapping[str, str], body: bytes) -> bool:
    """Whether a signature covers a body: one of its digests is there, and all of them are right (RFC 9530)."""
    try:
        return ContentDigest.verify_components(digests, body)
    except Exception:  # noqa: BLE001 - as in `verify`: a digest that can't be read is none
        return False


def _identity(key: Key, covered: Mapping[str, str], nonce: str | None) -> bytes:
    # Not the signature: who knows one for ECDSA can write a second that holds too.
    base = "\n".join(f"{name}: {value}" for name, value in covered.items())
    kind, text = (b"nonce ", nonce) if nonce else (b"base ", base)
    return sha256(key.fingerprint + kind + text.encode()).digest()
