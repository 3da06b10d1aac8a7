"""The forms of a stored password, and what is refused when the file is read."""

import os
import sys
from collections.abc import Callable
from hashlib import sha256
from threading import Thread

import bcrypt
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2d, Argon2i, Argon2id

from outrider_plugins.passwords import LANES, MEMORY, stored_password

SALT = "YWJjZGVmZ2g"
DIGEST = "MDEyMzQ1Njc4OWFiY2RlZg"
BCRYPT = "$2b$04$7NYilyzDM16mDz8ZWM..BugGD6MO/k3X2AsMgeQbPj1LC41AseUX2"


def argon2(
    password: str, kind: type[Argon2id | Argon2i | Argon2d] = Argon2id, *, memory: int = 8, lanes: int = 1
) -> str:
    hasher = kind(salt=os.urandom(16), length=32, iterations=1, lanes=lanes, memory_cost=memory)
    return hasher.derive_phc_encoded(password.encode())


def argon2i(password: str) -> str:
    return argon2(password, Argon2i)


def argon2d(password: str) -> str:
    return argon2(password, Argon2d)


def with_lanes(password: str) -> str:
    return argon2(password, memory=64, lanes=2)


def bcrypt_2b(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def bcrypt_2a(password: str) -> str:
    return bcrypt_2b(password).replace("$2b$", "$2a$")


def bcrypt_2y(password: str) -> str:
    return bcrypt_2b(password).replace("$2b$", "$2y$")


def sha256_lower(password: str) -> str:
    return "sha256:" + sha256(password.encode()).hexdigest()


def sha256_upper(password: str) -> str:
    return "sha256:" + sha256(password.encode()).hexdigest().upper()


FORMS: list[Callable[[str], str]] = [
    *(argon2, argon2i, argon2d, with_lanes),
    *(bcrypt_2b, bcrypt_2a, bcrypt_2y),
    *(sha256_lower, sha256_upper, str),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("password", ["open sesame", "pässwörd €", "a", "$no hash", "x" * 72])
def test_each_form_knows_its_password_and_no_other(form: Callable[[str], str], password: str) -> None:
    stored = stored_password(form(password))
    assert stored.matches(password.encode())
    for other in ("", password + " ", password[:-1], password.upper() + "x", form(password)):
        assert stored.matches(other.encode()) == (other == password)


@pytest.mark.parametrize("form", [argon2, with_lanes, bcrypt_2b])
def test_only_what_takes_time_has_a_cost(form: Callable[[str], str]) -> None:
    assert stored_password(form("a")).cost > 0
    assert stored_password(sha256_lower("a")).cost == stored_password("a").cost == 0


def test_what_doubles_the_work_doubles_the_cost() -> None:
    def argon2_cost(memory: int, passes: int) -> float:
        return stored_password(f"$argon2id$v=19$m={memory},t={passes},p=1${SALT}${DIGEST}").cost

    assert argon2_cost(64, 2) == argon2_cost(128, 1) == 2 * argon2_cost(64, 1)
    assert stored_password(BCRYPT.replace("$04$", "$12$")).cost == 2**8 * stored_password(BCRYPT).cost


@pytest.mark.parametrize("length", [73, 100])
def test_a_password_of_more_bytes_than_bcrypt_reads_is_wrong(length: int) -> None:
    stored = stored_password(bcrypt_2b("x" * 72))
    assert not stored.matches(b"x" * length)


def test_bcrypt_reads_bytes_and_not_characters() -> None:
    stored = stored_password(bcrypt_2b("é" * 36))
    assert stored.matches(("é" * 36).encode())
    assert not stored.matches(("é" * 37).encode())


def test_a_nul_ends_no_password() -> None:
    for form in FORMS:
        stored = stored_password(form("open"))
        assert not stored.matches(b"open\0sesame")


MALFORMED = [
    "$argon2",
    "$argon2id$",
    "$argon2x$v=19$m=8,t=1,p=1$" + SALT + "$" + DIGEST,
    f"$argon2id$m=8,t=1,p=1${SALT}${DIGEST}",
    f"$argon2id$v=16$m=8,t=1,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$t=1,m=8,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=08,t=1,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=8,t=0,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=8,t=1,p=0${SALT}${DIGEST}",
    f"$argon2id$v=19$m=-8,t=1,p=1${SALT}${DIGEST}",
    f"$argon2id$v=19$m=8,t=1,p=1,keyid=YQ${SALT}${DIGEST}",
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}",
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}$",
    f"$argon2id$v=19$m=8,t=1,p=1$${DIGEST}",
    f"$argon2id$v=19$m=8,t=1,p=1$YWJj${DIGEST}",  # a salt of 3 bytes
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}$YWJjZA",  # a digest of 4 bytes
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}${'YWJj' * 22}",  # of 66
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}${DIGEST}==",
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}${DIGEST[:-1]}h",  # bits after the last byte
    f"$argon2id$v=19$m=8,t=1,p=1${SALT}${DIGEST}\n",
    f"$argon2id$v=19$m=٨,t=1,p=1${SALT}${DIGEST}",  # a digit, but not an ASCII one
    "$2b$",
    "$2b$04$abc",
    BCRYPT[:-1],
    BCRYPT + ".",
    BCRYPT + "\n",
    BCRYPT[:-1] + "/",
    BCRYPT[:28] + "/" + BCRYPT[29:],
    BCRYPT.replace("$04$", "$03$"),
    BCRYPT.replace("$04$", "$32$"),
    BCRYPT.replace("$04$", "$4$"),
    BCRYPT.replace("$2b$", "$2x$"),
    BCRYPT.replace("$2b$", "$2$"),
    "sha256:0",
    "sha256:abc",
    "sha256:" + "g" * 64,
    "sha256:" + "0" * 65,
    "SHA256:" + "0" * 64,
    "$1$abcdefgh$0123456789012345678901",
    "$apr1$abcdefgh$0123456789012345678901",
    "$5$abcdefgh$0123456789",
    "$6$rounds=5000$abcdefgh$0123456789",
    "$y$j9T$abcdefgh$0123456789",
    "$scrypt$ln=16,r=8,p=1$abc$def",
    "$pbkdf2-sha256$29000$abc$def",
    "{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=",
    "{SSHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_looks_like_a_hash_and_is_none_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="hash") as caught:
        stored_password(text)
    assert text not in str(caught.value)


@pytest.mark.parametrize("text", ["$", "$100", "$$$", "{curly}", "sha-256:abc", "2b$04$", "argon2id", "a$b$c"])
def test_what_does_not_look_like_a_hash_is_a_password(text: str) -> None:
    assert stored_password(text).matches(text.encode())


@pytest.mark.parametrize(
    ("memory", "lanes"), [(MEMORY + 1, 1), (2**32 - 1, 1), (64 * LANES, LANES + 1), (7, 1), (31, 4)]
)
def test_argon2_hashes_beyond_the_bounds_are_refused(memory: int, lanes: int) -> None:
    with pytest.raises(ValueError, match=f"has m={memory} and p={lanes}"):
        stored_password(f"$argon2id$v=19$m={memory},t=1,p={lanes}${SALT}${DIGEST}")


@pytest.mark.parametrize(("memory", "lanes"), [(MEMORY, 1), (8, 1), (8 * LANES, LANES), (65536, 4)])
def test_argon2_hashes_within_the_bounds_are_taken(memory: int, lanes: int) -> None:
    assert stored_password(f"$argon2id$v=19$m={memory},t=1,p={lanes}${SALT}${DIGEST}").cost


def test_bcrypt_hashes_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = bcrypt_2b("a")
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(ValueError, match=r"needs the package bcrypt: install outrider\[bcrypt\]"):
        stored_password(hashed)


def test_hashes_with_lanes_may_be_verified_in_several_threads_at_once() -> None:
    stored = [stored_password(with_lanes("a")), stored_password(argon2("a", memory=64, lanes=4))]
    right: list[bool] = []

    def work() -> None:
        for _ in range(20):
            right.extend(one.matches(b"a") for one in stored)

    threads = [Thread(target=work, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert right == [True] * 120
