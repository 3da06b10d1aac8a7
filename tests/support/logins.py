"""Users and their passwords, for tests of basic-auth."""

import base64
from hashlib import sha256

import bcrypt
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from pydantic import SecretStr

from outrider import Consumer, Consumers, Credential

ALICE = Consumer("c-1", username="alice", custom_id="4711")
BOB = Consumer("c-2", username="bob")
GUEST = Consumer("c-3", username="guest")
ALADDIN = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617, section 2


def people(*users: tuple[Consumer, str, str]) -> Consumers:
    rows = [
        Credential(owner, f"id-of-{name}", {"username": name, "password": SecretStr(password)})
        for owner, name, password in users
    ]
    return Consumers([ALICE, BOB, GUEST], {"basicauth_credentials": rows})


USUAL = people((ALICE, "Aladdin", "open sesame"), (BOB, "bob", "bob's"))


def basic(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return "Basic " + base64.b64encode(raw).decode()


def argon2(password: str) -> str:
    hasher = Argon2id(salt=b"saltsalt", length=16, iterations=1, lanes=1, memory_cost=8)
    return hasher.derive_phc_encoded(password.encode())


def bcrypted(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def hashed(password: str) -> str:
    return "sha256:" + sha256(password.encode()).hexdigest()


FORMS = [str, hashed, argon2, bcrypted]
