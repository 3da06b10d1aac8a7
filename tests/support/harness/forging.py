"""Makes tokens that no issuer has signed, or not with the key that it must be."""

import base64
import datetime as dt
import json
import os
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from harness import careless
from harness.attacked import World
from signing import Signer, b64

Make = Callable[[World], str]


def compact(header: Mapping[str, Any], payload: bytes, signature: bytes = b"") -> str:
    return f"{b64(json.dumps(header).encode())}.{b64(payload)}.{b64(signature)}"


def said(world: World, issuer: str = "RS256", **changed: Any) -> bytes:
    return json.dumps(world[issuer].claims(**changed)).encode()


def with_signature(issuer: str, change: Callable[[bytes], bytes]) -> Make:
    """A good token with another signature."""

    def make(world: World) -> str:
        signed, signature = careless.split(world[issuer].signed())
        return f"{signed.decode()}.{b64(change(signature))}"

    return make


def unsigned(algorithm: Any, signature: bytes = b"") -> Make:
    return lambda world: compact({"alg": algorithm}, said(world), signature)


def confused(algorithm: str, issuer: str, number: int, kid: str | None = None) -> Make:
    """An HMAC with one spelling of the issuer's public key."""

    def make(world: World) -> str:
        victim = world[issuer]
        forger = Signer(algorithm, kid or victim.signer.kid)
        forger.private = list(careless.public_forms(victim.signer))[number]
        return forger.token(victim.claims())

    return make


def hmac_with(secret: bytes, issuer: str = "HS256", kid: str | None = None) -> Make:
    def make(world: World) -> str:
        forger = Signer("HS256", kid or world[issuer].signer.kid)
        forger.private = secret
        return forger.token(world[issuer].claims())

    return make


def with_kid(kid: Any) -> Make:
    """Well signed, and with a kid that is not the key's."""
    return lambda world: world["HS256"].signed({"kid": kid})


def relabelled(algorithm: str, issuer: str) -> Make:
    """Signed by the issuer, with an algorithm that it does not use."""

    def make(world: World) -> str:
        signer = Signer(algorithm, world[issuer].signer.kid)
        signer.private = world[issuer].signer.private
        return signer.token(world[issuer].claims())

    return make


def unlisted(algorithm: str) -> Make:
    """Signed with a key that names no algorithm, with one that its issuer may not use."""

    def make(world: World) -> str:
        signer = Signer(algorithm, "cube")
        signer.private = world.keys["cube"].private
        return signer.token(world["RS256"].claims(iss="https://keys.example"))

    return make


def by_mallory(algorithm: str, **header: Any) -> Make:
    """Signed with a key that nobody trusts, under the name of an issuer."""
    return lambda world: world.mallory[algorithm].signed(header)


def crossed(signer: str, name: str, **header: Any) -> Make:
    """Signed by one trusted issuer in the name of another."""
    return lambda world: world[signer].signed(header, iss=world[name].name)


def brought(member: str) -> Make:
    def make(world: World) -> str:
        mallory = world.mallory["RS256"]
        row, certificate = mallory.signer.row(), _certificate(mallory.signer)
        return mallory.signed({member: row if member == "jwk" else [base64.b64encode(certificate).decode()]})

    return make


def _certificate(signer: Signer) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rs256.example")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(signer.private.public_key())
    dated = builder.not_valid_before(now).not_valid_after(now + dt.timedelta(1))
    signed = dated.serial_number(1).sign(signer.private, hashes.SHA256())
    return signed.public_bytes(Encoding.DER)


def cube_root(world: World) -> str:
    """RSA with e = 3 and garbage behind the digest: a cube root is all it takes."""
    claims = json.dumps({**world["RS256"].claims(), "iss": "https://keys.example"}).encode()
    text = compact({"alg": "RS256", "kid": "cube"}, claims).rpartition(".")[0]
    block = b"\x00\x01" + b"\xff" * 8 + b"\x00" + careless.DIGEST_INFO + sha256(text.encode()).digest()
    target = int.from_bytes(block.ljust(256, b"\xff"))
    return f"{text}.{b64(_root(target).to_bytes(256))}"


def _root(number: int) -> int:
    low, high = 0, 1 << (number.bit_length() // 3 + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**3 <= number else (low, middle - 1)
    return low


def cut(size: int) -> Make:
    return with_signature("HS256", lambda signature: signature[:size])


def ecdsa(r: int, s: int) -> Make:
    return with_signature("ES256", lambda _: r.to_bytes(32) + s.to_bytes(32))


def rsa_number(number: int) -> Make:
    return with_signature("RS256", lambda _: number.to_bytes(256))


def to_der(signature: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))


def beyond_the_order(signature: bytes) -> bytes:
    s = int.from_bytes(signature[32:], "little") + careless.ED25519_ORDER
    return signature[:32] + s.to_bytes(32, "little")


def encrypted(world: World) -> str:
    """Five parts: claims that are encrypted for the public key, which signs nothing."""
    head = b64(json.dumps({"alg": "RSA-OAEP-256", "enc": "A256GCM"}).encode())
    secret, nonce = os.urandom(32), os.urandom(12)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    key = world["RS256"].signer.private.public_key().encrypt(secret, oaep)
    text = AESGCM(secret).encrypt(nonce, said(world), head.encode())
    return ".".join([head, b64(key), b64(nonce), b64(text[:-16]), b64(text[-16:])])


def another_payload(issuer: str) -> Make:
    def make(world: World) -> str:
        head, _, signature = world[issuer].signed().split(".")
        return f"{head}.{b64(said(world, issuer, sub='guest'))}.{signature}"

    return make


def other_header(world: World) -> str:
    """The header of one good token over the rest of another."""
    return ".".join([world["RS256"].signed({"x": 1}).split(".")[0], *world["RS256"].signed().split(".")[1:]])


def secret_in_place_of_key(world: World) -> str:
    """A consumer's own secret, and an issuer's name."""
    return Signer("HS256", None).token(world["RS256"].claims())


def point_of_the_key(world: World) -> str:
    """The public point as it is shared between libraries, without a header, as a secret."""
    forger = Signer("HS256", world["ES256"].signer.kid)
    public = world["ES256"].signer.private.public_key()
    forger.private = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return forger.token(world["ES256"].claims())


def takes_points_for_secrets(world: World, token: str) -> bool:
    public = world["ES256"].signer.private.public_key()
    return careless.verifies(
        "HS256", public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), *careless.split(token)
    )
