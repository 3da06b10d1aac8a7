"""Certificates and private keys as text: what is wrong with one, without a word of the key."""

from typing import TYPE_CHECKING

from pydantic import SecretStr

from outrider.config.field_types import refusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.x509 import Certificate

_FIRST = "put the PEM text into it, from -----BEGIN CERTIFICATE----- on"


def check_chain(text: str) -> str:
    """Refuses what is no certificate, or several in a row."""
    _certificates(text)
    return text


def check_authority(text: str) -> str:
    """Refuses what is not one certificate of an authority."""
    from cryptography.x509 import BasicConstraints, ExtensionNotFound  # few files have any certificate

    found = _certificates(text)
    if len(found) > 1:
        raise refusal(f"holds {len(found)} certificates", "give each an entry of its own")
    try:
        constraints = found[0].extensions.get_extension_for_class(BasicConstraints).value
    except (ExtensionNotFound, ValueError):
        constraints = None
    if constraints is None or not constraints.ca:
        raise refusal("is no authority's certificate", "give the one that upstream's certificate is signed with")
    return text


def check_key(secret: SecretStr) -> SecretStr:
    """Refuses what is no private key that can be read without a password."""
    _public_part(secret)
    return secret


def check_pair(cert: str, key: SecretStr) -> None:
    """Refuses a key that belongs to another certificate than the first."""
    if _spelt(_certificates(cert)[0].public_key()) != _spelt(_public_part(key)):
        raise refusal("has a key that does not belong to its certificate", "give the certificate's own key")


def check_alternative(cert: str, other: str, key: SecretStr) -> None:
    """Refuses a second certificate with another's key, or with a key of the first one's kind."""
    first, second = (_certificates(text)[0].public_key() for text in (cert, other))
    if _spelt(second) != _spelt(_public_part(key)):
        raise refusal("has a key_alt that does not belong to cert_alt", "give the certificate's own key")
    if type(first) is type(second):
        raise refusal("has two keys of one kind", "give one of them an RSA key and the other one an ECDSA key")


def _certificates(text: str) -> "list[Certificate]":
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(text.encode())
    except ValueError:
        raise refusal("is no certificate", _FIRST) from None


def _public_part(secret: SecretStr) -> "PublicKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(secret.get_secret_value().encode(), None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        remedy = "put the PEM text of a key without a password into it, best as {vault://file/PATH}"
        raise refusal("is no private key that can be read", remedy) from None


def _spelt(public_key: "PublicKeyTypes") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
