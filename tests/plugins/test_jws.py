"""The compact form of a signature: one spelling of each, and no way around the key."""

import base64
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from outrider_plugins.jwks import Key, parse_jwks
from outrider_plugins.jws import LIMIT, Signed, TokenError, json_part
from signing import ALGORITHMS, SECRET, Signer, b64, jwks

PAYLOAD = b'{"sub":"alice"}'
HS = Signer("HS256")


def verify(token: str, *rows: dict[str, Any]) -> bytes:
    signed = Signed.parse(token)
    signed.verify(parse_jwks(jwks(*rows)).find(signed.kid, signed.algorithm))
    return signed.payload


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_signature_of_each_algorithm_is_good(algorithm: str) -> None:
    signer = Signer(algorithm)
    assert verify(signer.token(PAYLOAD), signer.row()) == PAYLOAD


def test_ed448_is_eddsa_too() -> None:
    signer = Signer("EdDSA", number=448)
    assert verify(signer.token(PAYLOAD), signer.row()) == PAYLOAD


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_by_another_key_is_bad(algorithm: str) -> None:
    with pytest.raises(TokenError, match="no key"):
        verify(Signer(algorithm, number=1).token(PAYLOAD), Signer(algorithm).row())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_change_of_any_part_is_seen(algorithm: str, part: int) -> None:
    signer = Signer(algorithm)
    parts = signer.token(PAYLOAD, x="").split(".")
    parts[part] = parts[part].replace(parts[part][5], "A" if parts[part][5] != "A" else "B", 1)
    with pytest.raises(TokenError):
        verify(".".join(parts), signer.row())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("signature", ["", "AA", "A" * 86, "A" * 342, "A" * 4000])
def test_a_signature_of_any_other_length_is_bad(algorithm: str, signature: str) -> None:
    signer = Signer(algorithm)
    text = signer.token(PAYLOAD).rpartition(".")[0]
    with pytest.raises(TokenError):
        verify(f"{text}.{signature}", signer.row())


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "hs256", "HS256 ", "RS1", "ES256K", "A128GCM"])
@pytest.mark.parametrize("signature", ["", HS.token(PAYLOAD).rpartition(".")[2]])
def test_no_algorithm_but_the_known_ones_verifies_anything(name: str, signature: str) -> None:
    header = b64(json.dumps({"alg": name}).encode())
    rows = [Signer(algorithm).row() for algorithm in ("HS256", "RS256", "ES256", "EdDSA")]
    with pytest.raises(TokenError, match="no key"):
        verify(f"{header}.{b64(PAYLOAD)}.{signature}", *rows)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_public_key_is_no_shared_secret(algorithm: str) -> None:
    victim = Signer(algorithm)
    for secret in (victim.pem(), victim.pem().strip(), json.dumps(victim.row())):
        forger = Signer("HS256")
        forger.private = secret.encode()
        with pytest.raises(TokenError, match="no key"):
            verify(forger.token(PAYLOAD), victim.row())


def test_a_key_verifies_only_the_algorithm_that_it_names() -> None:
    signer = Signer("RS256")
    token = Signer("PS256").token(PAYLOAD)
    assert verify(token, signer.row()) == PAYLOAD
    with pytest.raises(TokenError, match="no key"):
        verify(token, signer.row(alg="RS256"))


def test_a_key_verifies_only_algorithms_it_was_made_for_whatever_find_gave() -> None:
    key = Key(None, frozenset({"HS512"}), SECRET)
    with pytest.raises(TokenError, match="no key"):
        Signed.parse(HS.token(PAYLOAD)).verify([key])


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_a_key_that_the_token_brings_with_it_is_not_looked_at(member: str) -> None:
    forger = Signer("RS256", number=1)
    brought = {"jwk": forger.row(), "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/", "x5c": ["AAAA"]}
    with pytest.raises(TokenError, match="no key"):
        verify(forger.token(PAYLOAD, **{member: brought[member]}), Signer("RS256").row())
    assert verify(Signer("RS256").token(PAYLOAD, **{member: brought[member]}), Signer("RS256").row())


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"crit": "x"}, {"b64": False}, {"b64": True}])
def test_a_critical_extension_is_refused(header: dict[str, Any]) -> None:
    with pytest.raises(TokenError, match="critical"):
        verify(HS.token(PAYLOAD, **header), HS.row())


@pytest.mark.parametrize("kid", ["../../etc/passwd", "' OR 1=1 --", "\x00", "2", "é", "1 ", "x" * 5000])
def test_an_unknown_kid_finds_no_key(kid: str) -> None:
    with pytest.raises(TokenError, match="no key"):
        verify(HS.token(PAYLOAD, kid=kid), HS.row())


@pytest.mark.parametrize("kid", [1, True, ["1"], {"kid": "1"}])
def test_a_kid_is_text(kid: Any) -> None:
    with pytest.raises(TokenError, match="must be text"):
        verify(HS.token(PAYLOAD, kid=kid), HS.row())


@pytest.mark.parametrize("algorithm", [1, None, ["HS256"], {"HS256": 1}])
def test_an_algorithm_is_text(algorithm: Any) -> None:
    with pytest.raises(TokenError, match="must be text"):
        verify(HS.token(PAYLOAD, alg=algorithm), HS.row())


def test_a_token_without_a_kid_is_tried_with_each_key() -> None:
    rows = [Signer("RS256", "a", number=1).row(), Signer("RS256", "b").row()]
    assert verify(Signer("RS256", None).token(PAYLOAD), *rows) == PAYLOAD


def test_a_key_without_a_kid_may_have_signed_any_token() -> None:
    assert verify(Signer("RS256", "new").token(PAYLOAD), Signer("RS256", None).row()) == PAYLOAD


def test_two_keys_of_one_kid_are_both_tried() -> None:
    assert verify(Signer("RS256").token(PAYLOAD), Signer("RS256", number=1).row(), Signer("RS256").row())


GOOD = HS.token(PAYLOAD)
HEAD, BODY, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "...", "a", "é.é.é", "\udcff.\udcff.\udcff"),
        *(f" {GOOD}", f"{GOOD} ", f"{GOOD}\n", f"{GOOD}=", f"{GOOD}.", f".{GOOD}", f"{GOOD}.{SIGNATURE}"),
        *(f"{HEAD}.{BODY}", f"{HEAD}.{BODY}.", f"{HEAD}..{SIGNATURE}", f".{BODY}.{SIGNATURE}"),
        *(
            f"{HEAD}.{BODY}\t.{SIGNATURE}",
            f"{HEAD}.{BODY[:4]} {BODY[4:]}.{SIGNATURE}",
            f"{HEAD}%2E{BODY}.{SIGNATURE}",
        ),
        *(f"{HEAD}=.{BODY}.{SIGNATURE}", f"{HEAD}.{BODY}==.{SIGNATURE}", f"{HEAD}.{BODY}.{SIGNATURE}A"),
        f"{HEAD}.{BODY}." + base64.b64encode(b"\xff" * 32).decode(),
        json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNATURE}),
        f"{HEAD}.{BODY}.{SIGNATURE}." + "A." * 100_000,
    ],
)
def test_only_the_strict_form_is_read(token: str) -> None:
    with pytest.raises(TokenError):
        verify(token, HS.row())


def test_a_signature_has_one_spelling() -> None:
    last = SIGNATURE[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spellings = [f"{HEAD}.{BODY}.{SIGNATURE[:-1]}{letter}" for letter in alphabet if letter != last]
    for spelling in spellings:
        with pytest.raises(TokenError):
            verify(spelling, HS.row())


def test_a_token_may_be_so_long_and_no_longer() -> None:
    fixed = len(HS.token(b'{"x":""}'))
    fitting = [HS.token(json.dumps({"x": "a" * size}).encode()) for size in range(12_000, 12_400)]
    assert max(map(len, fitting)) > LIMIT > fixed
    for token in fitting:
        if len(token) <= LIMIT:
            verify(token, HS.row())
        else:
            with pytest.raises(TokenError, match="three parts"):
                verify(token, HS.row())


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"{", b"[]", b'"a"', b"1", b"null", b"\xff", b'{"a":"\xff"}', b"\xef\xbb\xbf{}", b"{}{}", b"{'a':1}"),
        *(b'{"a":1,"a":1}', b'{"a":1,"\\u0061":2}', b'{"a":{"b":1,"b":2}}', b'{"a":[{"b":1,"b":2}]}'),
        *(b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":"\n"}', b'{"a":' + b"9" * 5000 + b"}"),
        *(b'{"a":"\\ud800"}', b'{"a":"\\uDC80"}', b'{"\\udfff":1}', b'{"a":"\\udc00\\ud800"}'),
        *(b'{"a":' + b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(raw: bytes) -> None:
    with pytest.raises(TokenError):
        json_part(raw)
    with pytest.raises(TokenError):
        Signed.parse(HS.sign(raw[:5000], PAYLOAD))


def test_a_character_outside_the_basic_plane_may_be_escaped() -> None:
    assert json_part(rb'{"a":"\ud83d\ude00"}') == {"a": "\U0001f600"}


def test_what_is_not_verified_is_not_shown() -> None:
    assert SIGNATURE not in repr(Signed.parse(GOOD))


VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors" / "wycheproof-jws.json"
REFUSED = {
    346: "the key says PS256, the token is PS384",
    347: "the key says ES521, which is no algorithm (RFC 7518 has ES512)",
    350: "the key says PS256, the token is PS384",
    351: "the key says ES521, which is no algorithm (RFC 7518 has ES512)",
    372: "a question mark is no base64url",
    373: "a question mark is no base64url",
}
"""Valid by Wycheproof, refused by us; each for the reason that stands here."""
CONTRADICTORY = {367, 370}
"""Invalid by Wycheproof, and byte for byte the token that is valid as number 357."""


@pytest.mark.skipif(not VECTORS.exists(), reason=f"the vectors are not there: {VECTORS}")
def test_project_wycheproof_finds_no_wrong_accept_and_only_the_refusals_that_we_mean() -> None:
    document = json.loads(VECTORS.read_text())
    rows = [
        (group.get("public") or group["private"], test) for group in document["testGroups"] for test in group["tests"]
    ]
    accepted = {test["tcId"] for row, test in rows if _is_accepted(test["jws"], row)}
    valid = {test["tcId"] for _, test in rows if test["result"] == "valid"}
    assert accepted - valid == CONTRADICTORY
    assert valid - accepted == REFUSED.keys()
    by_id = {test["tcId"]: test["jws"] for _, test in rows}
    assert {by_id[number] for number in CONTRADICTORY} == {by_id[357]}
    assert Counter(test["result"] for _, test in rows) == {"invalid": 355, "valid": 46}


def _is_accepted(token: str, row: dict[str, Any]) -> bool:
    try:
        verify(token, row)
    except (TokenError, ValueError):
        return False
    return True
