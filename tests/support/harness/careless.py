"""Verifiers that lack one check each: what they believe would be a way in.

They share nothing with the plugins, so that they can also say what is well signed.
"""

import base64
import hmac
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jwt
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness.attacked import World
from signing import Signer, b64

Believer = Callable[[World, str], bool]
CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # P-256
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # RFC 8017, section 9.2, note 1: SHA-256
_HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}


def unpadded(part: str) -> bytes:
    """Base64url as lenient readers read it: what is no part of the alphabet is passed over."""
    return base64.urlsafe_b64decode(part.rstrip("=") + "==")


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, whoever made it."""
    claims: dict[str, Any] = json.loads(unpadded(token.split(".")[1]))
    return claims


def header_of(token: str) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(unpadded(token.split(".", maxsplit=1)[0]))
    return header


def verifies(algorithm: str, private: Any, signed: bytes, signature: bytes) -> bool:
    """Whether the signature over these bytes was made with that key and that algorithm (RFC 7518, section 3)."""
    with suppress(InvalidSignature, ValueError):
        if algorithm == "EdDSA":
            private.public_key().verify(signature, signed)
            return True
        digest = _HASHES[algorithm[2:]]()
        match algorithm[:2]:
            case "HS":
                return hmac.digest(private, signed, digest.name) == signature
            case "RS":
                private.public_key().verify(signature, signed, padding.PKCS1v15(), digest)
            case "PS":
                pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
                private.public_key().verify(signature, signed, pss, digest)
            case _:
                _verify_ecdsa(private.public_key(), signature, signed, digest)
        return True
    return False


def _verify_ecdsa(public: Any, signature: bytes, signed: bytes, digest: Any) -> None:
    size = (public.curve.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise InvalidSignature
    r, s = (int.from_bytes(half) for half in (signature[:size], signature[size:]))
    public.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(digest))


def checks_no_signature(world: World, token: str) -> bool:
    """Reads the claims of whatever it is given, and looks whether it knows the issuer."""
    return claims_of(token)["iss"] in {*(party.name for party in world.parties.values()), "https://keys.example"}


def checks_nothing_else(world: World, token: str) -> bool:
    """Looks at the signature alone: any key of any issuer, over these very bytes."""
    return any(_signed_by(signer, *split(token)) for signer in world.signers)


def follows_the_header(world: World, token: str) -> bool:
    """Takes any of its keys for the algorithm that the header names, whatever the key is for."""
    algorithm = header_of(token)["alg"]
    signed, signature = split(token)
    fitting = [signer.private for signer in world.signers if _kind(signer.algorithm) == _kind(algorithm)]
    return any(verifies(algorithm, private, signed, signature) for private in fitting)


def _kind(algorithm: str) -> str:
    return {"RS": "RSA", "PS": "RSA"}.get(algorithm[:2], algorithm[:2])


def split(token: str) -> tuple[bytes, bytes]:
    """What is signed, and the signature."""
    signed, _, signature = token.rpartition(".")
    return signed.encode(), unpadded(signature)


def _signed_by(signer: Signer, signed: bytes, signature: bytes) -> bool:
    algorithms = ("RS256", "PS256") if signer.algorithm[0] in "RP" else (signer.algorithm,)
    return any(verifies(algorithm, signer.private, signed, signature) for algorithm in algorithms)


def public_forms(signer: Signer) -> Iterator[bytes]:
    """The spellings of a public key that everybody can write down."""
    public = signer.private.public_key()
    for encoding, form in (
        (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        (Encoding.OpenSSH, PublicFormat.OpenSSH),
    ):
        yield public.public_bytes(encoding, form)
    yield signer.pem().strip().encode()
    yield json.dumps(signer.row()).encode()
    row = signer.row()
    yield unpadded(row.get("n") or row["x"])
    if row["kty"] == "RSA":
        yield public.public_bytes(Encoding.PEM, PublicFormat.PKCS1)


def takes_a_public_key_for_a_secret(world: World, token: str) -> bool:
    """Has one function for all algorithms, which is given the key's text."""
    algorithm = header_of(token)["alg"]
    secrets = [form for signer in world.signers if signer.algorithm[0] != "H" for form in public_forms(signer)]
    return any(verifies(algorithm, secret, *split(token)) for secret in secrets)


def has_an_empty_secret(_: World, token: str) -> bool:
    """Finds no key, and goes on with none."""
    return verifies(header_of(token)["alg"], b"", *split(token))


def opens_the_kid(_: World, token: str) -> bool:
    """Has a file for each key."""
    secret = Path(os.path.normpath(f"/etc/keys/{header_of(token)['kid']}")).read_bytes()
    return verifies("HS256", secret, *split(token))


def asks_sql_for_the_kid(_: World, token: str) -> bool:
    """Has a table of keys, and puts the question together from pieces."""
    with closing(sqlite3.connect(":memory:")) as store:
        store.execute("CREATE TABLE keys (kid TEXT, secret TEXT)")
        [secret] = store.execute(f"SELECT secret FROM keys WHERE kid = '{header_of(token)['kid']}'").fetchone()  # noqa: S608
    return verifies("HS256", secret.encode(), *split(token))


def takes_the_key_that_comes_along(_: World, token: str) -> bool:
    """Reads `jwk` or `x5c`, and looks no further."""
    header = header_of(token)
    if "jwk" in header:
        key = jwt.PyJWK(header["jwk"], algorithm=header["alg"]).key
    else:
        key = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0])).public_key()
    signed, signature = split(token)
    return jwt.get_algorithm_by_name(header["alg"]).verify(signed, key, signature)


def compares_what_is_there(world: World, token: str) -> bool:
    """Compares as many bytes of a digest as the token has."""
    signed, signature = split(token)
    return hmac.digest(world["HS256"].signer.private, signed, "sha256").startswith(signature)


def inverts_zero(_: World, token: str) -> bool:
    """ECDSA with no look at the range: the inverse of 0 is 0, and the point at infinity has x = 0."""
    signature = split(token)[1]
    r, s = (int.from_bytes(half) % CURVE_ORDER for half in (signature[:32], signature[32:]))
    return pow(s, CURVE_ORDER - 2, CURVE_ORDER) == 0 == r


def looks_for_the_digest_anywhere(world: World, token: str) -> bool:
    """RSA's padding read from the left, with no look at what stands behind the digest."""
    signed, signature = split(token)
    numbers = world.keys["cube"].private.public_key().public_numbers()
    block = pow(int.from_bytes(signature), int(numbers.e), int(numbers.n)).to_bytes(256)
    found = re.match(rb"\x00\x01\xff{8,}\x00", block)
    return found is not None and block[found.end() :].startswith(DIGEST_INFO + sha256(signed).digest())


def reads_der(world: World, token: str) -> bool:
    """ECDSA as certificates write it."""
    signed, signature = split(token)
    with suppress(InvalidSignature):
        world["ES256"].signer.private.public_key().verify(signature, signed, ec.ECDSA(hashes.SHA256()))
        return True
    return False


def reduces_s(world: World, token: str) -> bool:
    """EdDSA with no look whether S is below the order of the curve (RFC 8032, section 5.1.7)."""
    signed, signature = split(token)
    s = int.from_bytes(signature[32:], "little") % ED25519_ORDER
    return verifies("EdDSA", world["EdDSA"].signer.private, signed, signature[:32] + s.to_bytes(32, "little"))


def reads_leniently(world: World, token: str) -> bool:
    """Passes over what is no base64url before it looks at the parts."""
    clean = re.sub(r"[^A-Za-z0-9._-]", "", unquote(token.replace("+", "-").replace("/", "_")))
    return checks_nothing_else(world, clean) or checks_nothing_else(world, ".".join(clean.strip(".").split(".")[:3]))


def spells_anew(world: World, token: str) -> bool:
    """Verifies what it wrote itself after reading, not what came."""
    head, payload, signature = token.split(".")
    again = ".".join(b64(unpadded(part)) for part in (head, payload))
    return checks_nothing_else(world, f"{again}.{b64(unpadded(signature))}")


def reads_any_serialization(world: World, token: str) -> bool:
    """Takes the JSON forms of a JWS (RFC 7515, section 7.2) where the compact one is meant."""
    found = json.loads(token)
    signature = found["signatures"][0] if "signatures" in found else found
    return checks_nothing_else(world, f"{signature['protected']}.{found['payload']}.{signature['signature']}")


def decrypts(world: World, token: str) -> bool:
    """Takes what it could decrypt for signed (RFC 7516): whoever has the public key can write that."""
    head, key, nonce, text, tag = token.split(".")
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    secret = world["RS256"].signer.private.decrypt(unpadded(key), oaep)
    plain = AESGCM(secret).decrypt(unpadded(nonce), unpadded(text) + unpadded(tag), head.encode())
    return bool(json.loads(plain)["iss"] == world["RS256"].name)
