"""The keys that signatures are verified with, each for one algorithm (RFC 9421, section 3.3)."""

from base64 import b64decode
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    model_validator,
)

from outrider import ConsumerName
from outrider.fields import resolve

Algorithm = Literal[
    "hmac-sha256", "ed25519", "ecdsa-p256-sha256", "ecdsa-p384-sha384", "rsa-pss-sha512", "rsa-v1_5-sha256"
]
_KINDS: dict[str, type] = {
    "ed25519": ed25519.Ed25519PublicKey,
    "ecdsa-p256-sha256": ec.EllipticCurvePublicKey,
    "ecdsa-p384-sha384": ec.EllipticCurvePublicKey,
    "rsa-pss-sha512": rsa.RSAPublicKey,
    "rsa-v1_5-sha256": rsa.RSAPublicKey,
}
_CURVES = {"ecdsa-p256-sha256": "secp256r1", "ecdsa-p384-sha384": "secp384r1"}
_MIN_RSA_BITS = 2048
_MIN_SECRET = 32  # bytes, the length of the hash (RFC 2104, section 3)
_PEM = "-----BEGIN "
_BASE64 = "base64:"
_REFERENCE = "{vault://"


def _pem(value: str, info: ValidationInfo) -> str:
    if value.startswith(_PEM):
        return value
    path = resolve(value, info)
    try:
        return path.read_text()
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or "it is no text"
        raise ValueError(f"{path} can't be read ({words}): paths begin at the file that names them") from None


class Key(BaseModel):
    """A key that somebody signs with."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    id: Annotated[str, Field(pattern=r"^[!-~]{1,256}$")]
    """The `keyid` of its signatures: 1 to 256 printable characters of ASCII."""
    algorithm: Algorithm
    """The one algorithm that it is for, whatever a signature says of itself."""
    public_key: Annotated[str, AfterValidator(_pem)] | None = None
    """The public key as PEM, or the path of a file with it, relative to the file that names it."""
    secret: SecretStr | None = None
    """For hmac-sha256: the shared secret, of at least 32 bytes; after `base64:` it is in Base64."""
    consumer: ConsumerName | None = None
    """Whose key it is; null for a good credential of nobody whom the file lists."""
    _material: Any = PrivateAttr()
    _fingerprint: bytes = PrivateAttr()

    @model_validator(mode="after")
    def _has_material(self) -> Self:
        symmetric = self.algorithm == "hmac-sha256"
        if (self.secret is None) is symmetric or (self.public_key is None) is not symmetric:
            wanted = "secret, and no public_key" if symmetric else "public_key, and no secret"
            raise ValueError(f"the key {self.id} for {self.algorithm} needs {wanted}")
        try:
            if self.secret is not None:
                self._material = own = _secret(self.secret.get_secret_value())
            else:
                self._material = _public(self.public_key or "", self.algorithm)
                own = self._material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except ValueError as error:
            raise ValueError(f"the key {self.id} {error}") from None
        self._fingerprint = sha256(own).digest()
        return self

    @property
    def material(self) -> Any:
        """The key itself: bytes, or a public key of `cryptography`."""
        return self._material

    @property
    def fingerprint(self) -> bytes:
        """The same for the same key, wherever it is in the file."""
        return self._fingerprint


def _secret(text: str) -> bytes:
    secret = text.encode()
    if text.startswith(_BASE64):
        try:
            secret = b64decode(text.removeprefix(_BASE64), validate=True)
        except ValueError:
            raise ValueError("has a secret that is no Base64: correct what is after base64:") from None
    # A reference that leads nowhere is a mistake of its own: its length says nothing.
    if len(secret) < _MIN_SECRET and not text.startswith(_REFERENCE):
        raise ValueError(
            f"has a secret of {len(secret)} bytes, which can be guessed: write {_MIN_SECRET} random ones"
        )
    return secret


def _public(pem: str, algorithm: str) -> Any:
    try:
        key: Any = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("has no public key as PEM: write one that begins with -----BEGIN PUBLIC KEY-----") from None
    curve = key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else None
    if not isinstance(key, _KINDS[algorithm]) or curve != _CURVES.get(algorithm):
        raise ValueError(f"is none for {algorithm}: give it the algorithm that it was made for")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _MIN_RSA_BITS:
        raise ValueError(f"has {key.key_size} bits, which can be broken: make one of {_MIN_RSA_BITS} or more")
    return key
