"""Signs requests as RFC 9421 says, by hand, so that what verifies them is not what made them."""

import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256, sha512
from hmac import digest
from typing import Any, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SHARED = "what-only-the-two-of-us-know-0001"
USUAL = ("@method", "@authority", "@path", "@query")
Sign = Callable[[bytes], bytes]


def _ecdsa(key: ec.EllipticCurvePrivateKey, kind: hashes.HashAlgorithm) -> Sign:
    size = key.key_size // 8

    def sign(base: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(base, ec.ECDSA(kind)))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return sign


@dataclass
class Signer:
    """Somebody with a key for one algorithm."""

    algorithm: str
    sign: Sign
    public: Any = None
    secret: str | None = None

    @property
    def id(self) -> str:
        return f"key-{self.algorithm}"

    def row(self, **fields: object) -> dict[str, object]:
        """The key as the file has it."""
        if self.secret is not None:
            return {"id": self.id, "algorithm": self.algorithm, "secret": self.secret, **fields}
        pem = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        return {"id": self.id, "algorithm": self.algorithm, "public_key": pem, **fields}


def signers(bits: int = 2048) -> dict[str, Signer]:
    """One for each algorithm."""
    ed, own_rsa = ed25519.Ed25519PrivateKey.generate(), rsa.generate_private_key(65537, bits)
    p256, p384 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1()))
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), 64)
    pkcs = padding.PKCS1v15()
    made = [
        Signer("ed25519", ed.sign, ed.public_key()),
        Signer("ecdsa-p256-sha256", _ecdsa(p256, hashes.SHA256()), p256.public_key()),
        Signer("ecdsa-p384-sha384", _ecdsa(p384, hashes.SHA384()), p384.public_key()),
        Signer("rsa-pss-sha512", lambda base: own_rsa.sign(base, pss, hashes.SHA512()), own_rsa.public_key()),
        Signer("rsa-v1_5-sha256", lambda base: own_rsa.sign(base, pkcs, hashes.SHA256()), own_rsa.public_key()),
        HMAC,
    ]
    return {signer.algorithm: signer for signer in made}


HMAC = Signer("hmac-sha256", lambda base: digest(SHARED.encode(), base, "sha256"), secret=SHARED)


@dataclass
class Signed:
    """What a signature says of itself. `created` is in seconds from now."""

    components: Sequence[str] = USUAL
    created: float | None = 0
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    label: str = "sig"
    keyid: str | None = None

    def headers(
        self,
        signer: Signer,
        target: str,
        method: str = "GET",
        authority: str = "localhost",
        scheme: str = "http",
        fields: Mapping[str, str] | None = None,
    ) -> list[tuple[str, str]]:
        """`signature-input` and `signature` for a request with these header fields."""
        path, _, query = target.partition("?")
        values = {
            "@method": method,
            "@authority": authority,
            "@scheme": scheme,
            "@path": path,
            "@query": f"?{query}",
            "@target-uri": f"{scheme}://{authority}{target}",
            "@request-target": target,
            **(fields or {}),
        }
        covered = " ".join(f'"{name}"' for name in self.components)
        signed = f"({covered}){self._parameters(signer)}"
        lines = [f'"{name}": {values[name]}' for name in self.components]
        base = "\n".join([*lines, f'"@signature-params": {signed}'])
        signature = b64encode(signer.sign(base.encode())).decode()
        return [("signature-input", f"{self.label}={signed}"), ("signature", f"{self.label}=:{signature}:")]

    def _parameters(self, signer: Signer) -> str:
        told: dict[str, object] = {}
        if self.created is not None:
            told["created"] = int(time.time() + self.created)
        told |= {"keyid": self.keyid or signer.id} | cast("dict[str, object]", self.parameters)
        return "".join(f";{name}={_bare(value)}" for name, value in told.items())


def content_digest(body: bytes, algorithm: str = "sha-256") -> str:
    """RFC 9530, section 2."""
    made = (sha256 if algorithm == "sha-256" else sha512)(body).digest()
    return f"{algorithm}=:{b64encode(made).decode()}:"


def _bare(value: object) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'
