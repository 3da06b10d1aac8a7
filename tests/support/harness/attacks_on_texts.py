"""Attacks on what is signed as text: JSON that two readers read differently, or that takes long, and extensions."""

import json
from collections.abc import Iterable
from typing import Any
from zlib import compress

from harness.attack import Attack
from harness.telling import Make, headed, nested, saying, spelled, with_header, with_member, with_member_bytes
from signing import b64

ONE_READING = "only JSON that every reader understands alike is read"


def _extensions() -> Iterable[Attack]:
    stop = "a token with crit or b64 is refused"
    known = "RFC 7515, section 4.1.11; CVE-2025-59420"
    headers: dict[str, dict[str, Any]] = {
        "unknown": {"crit": ["x"], "x": 1},
        "that is empty": {"crit": []},
        "that is a claim": {"crit": ["exp"], "exp": 4_000_000_000},
        "that is missing": {"crit": ["x"]},
        "as text": {"crit": "x"},
        "as null": {"crit": None, "b64": True},
    }
    for what, header in headers.items():
        yield Attack(f"a critical extension {what}", known, stop, headed(**header))
    for value in (True, False):
        yield Attack(f"a payload with b64 {value}", "RFC 7797, section 7", stop, headed(b64=value))


def _texts() -> Iterable[Attack]:
    def row(name: str, make: Make, known: str = "RFC 8259, section 4; RFC 7519, section 4") -> Attack:
        return Attack(name, known, ONE_READING, make)

    yield row("a claim that stands twice, the good one last", spelled(lambda text: '{"exp": 1, ' + text[1:]))
    yield row("a claim that stands twice, the good one first", with_member('"exp": 1'))
    yield row("a claim that stands twice, once with an escape", with_member('"\\u0065xp": 1'))
    yield row("a claim that stands twice in an object", with_member('"realm": {"role": "user", "role": "admin"}'))
    good = '"alg": "ES256", "kid": "ES256-1"'
    twice = "RFC 7515, section 4"
    yield row("an algorithm that stands twice", with_header(f'{{"alg": "none", {good}}}'), twice)
    yield row("a kid that stands twice", with_header(f'{{{good}, "kid": "x"}}'), twice)
    utf8 = "RFC 8259, section 8.1"
    yield row("claims with a byte order mark", spelled(lambda text: b"\xef\xbb\xbf" + text.encode()), utf8)
    yield row("claims in UTF-16", spelled(str, "utf-16"), utf8)
    yield row("claims in UTF-32", spelled(str, "utf-32-le"), utf8)
    overlong = spelled(lambda text: text.encode().replace(b"alice", b"\xc1\xa1lice"))
    yield row("an overlong character", overlong, "RFC 3629, section 3")
    yield row("a byte that is no UTF-8", with_member_bytes(b'"x": "\xff"'), "RFC 3629, section 3")
    yield row("a lone surrogate", with_member('"x": "\\ud800"'), "RFC 8259, section 8.2")
    yield row("a lone surrogate as bytes", with_member_bytes(b'"x": "\xed\xa0\x80"'), "RFC 3629, section 3")
    grammar = "RFC 8259, section 2"
    yield row("claims with a comment", with_member('"x": 1 /* "y": */'), grammar)
    yield row("claims in single quotes", spelled(lambda text: text.replace('"', "'")), grammar)
    yield row("claims with a comma too many", spelled(lambda text: f"{text[:-1]},}}"), grammar)
    yield row("something behind the claims", spelled(lambda text: text + "{}"), grammar)
    yield row("NUL behind the claims", spelled(lambda text: text + "\0"), grammar)
    yield row("a raw newline in a claim", with_member('"x": "\n"'), grammar)
    yield row("a number that is none in another claim", with_member('"x": NaN'), "RFC 8259, section 6")
    yield row("claims in a list", spelled(lambda text: f"[{text}]"), grammar)
    yield row("claims as text", spelled(json.dumps), grammar)
    yield row("claims as text in base64url", spelled(lambda text: b64(text.encode())), grammar)
    yield row("no claims at all", spelled(lambda _: ""), grammar)
    yield row("claims that are compressed", spelled(lambda text: compress(text.encode())), "RFC 7516, section 4.1.3")
    yield row("a token inside of a token", nested, "RFC 8725, section 2.8; RFC 7519, section 5.2")


def _bombs() -> Iterable[Attack]:
    limits = "RFC 8259, section 9"
    depth = "JSON is read to a bounded depth, and a token to 16 KiB"
    yield Attack("lists in lists, 5000 deep", limits, depth, with_member('"x": ' + "[" * 5000 + "]" * 5000))
    yield Attack(
        "objects in objects, 1900 deep", limits, depth, with_member('"x": ' + '{"":' * 1900 + "1" + "}" * 1900)
    )
    yield Attack("lists that do not end", limits, depth, spelled(lambda _: "[" * 12_000))
    digits = "integers have 4300 digits at most"
    yield Attack("a number of 10,000 digits", "CVE-2020-10735", digits, with_member('"x": ' + "9" * 10_000))
    yield Attack(
        "an end of 4000 digits",
        "CVE-2020-10735",
        "a time is a finite number (RFC 7519, section 2)",
        saying("ES256", exp=int("9" * 4000)),
    )
    yield Attack("claims of 100 KB", limits, "a token has 16 KiB at most", saying("ES256", x="x" * 30_000))


ATTACKS = [*_extensions(), *_texts(), *_bombs()]
