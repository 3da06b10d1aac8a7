"""Tokens that nobody thought of: what is let in is what an oracle, which shares nothing with the plugin, lets in."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from harness.attacked import ALGORITHMS, CONSUMERS, attacked, world
from harness.careless import public_forms
from harness.in_process import InProcess
from harness.token_oracle import OWN, PARTIES, BadError, Good, judge, party
from outrider import Headers, Request
from signing import Signer, b64

DAY, NOW = 86_400, int(time.time())
ABSENT = "no such member"
HEADERS: dict[str, list[Any]] = {
    "alg": [*ALGORITHMS, "HS512", "none", "", None, 1, ["HS256"]],
    "kid": [*(f"{name}-1" for name in ALGORITHMS), "x", "", None, 1, ABSENT],
    "typ": ["JWT", "at+jwt", "AT+JWT", "application/at+jwt", "", None, 1, ABSENT],
    "crit": [[], ["exp"], None],
    "b64": [True, False],
    "jwk": [{}],
    "cty": ["JWT"],
    "zip": ["DEF"],
}
TIMES: list[Any] = [
    NOW - DAY,
    NOW - DAY / 7,
    NOW + DAY,
    NOW + DAY / 7,
    0,
    -1,
    "1",
    True,
    None,
    ABSENT,
    10**400,
    [NOW],
]
CLAIMS: dict[str, list[Any]] = {
    "iss": [*(f"https://{name.lower()}.example" for name in ALGORITHMS), "https://orders.example", OWN, "x", None, 1],
    "sub": ["alice", "guest", "nobody", "", "\u00e9", "a\nb", "\U0001f600", None, 1, ["alice"], ABSENT],
    "aud": ["orders", ["orders"], ["x", "orders"], "x", [], [["orders"]], None, ABSENT],
    "email": ["a@example", "a\r\nb", ["a", "b"], ["a", "\0"], ""],
    "exp": TIMES,
    "nbf": TIMES,
    "iat": TIMES,
    "realm": [{"role": "admin"}, [[{}]]],
    "scope": ["read", 1],
}
WRITERS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "compact": lambda text: json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False).encode(),
    "long": lambda text: json.dumps(json.loads(text), indent=1).encode() + b"\n",
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "exp twice": lambda text: b'{"exp": 1, ' + text.encode()[1:],
    "alg twice": lambda text: b'{"alg": "none", ' + text.encode()[1:],
    "twice in an object": lambda text: text.encode()[:-1] + b', "x": {"a": 1, "a": 2}}',
    "surrogate": lambda text: text.encode()[:-1] + b', "x": "\\ud800"}',
    "NaN": lambda text: text.encode()[:-1] + b', "x": NaN}',
}
CHARACTERS = "AQgwZz019-_=+/.,%\t\x00\xe9"


@dataclass(frozen=True)
class Edit:
    """Characters of a token that are replaced by others, or inserted, or cut out."""

    place: int
    text: str
    cut: int

    def __call__(self, token: str) -> str:
        place = self.place % (len(token) or 1)
        return token[:place] + self.text + token[place + self.cut :]


@dataclass(frozen=True)
class Recipe:
    """How a token is made."""

    issuer: str
    header: list[tuple[str, Any]]
    claims: list[tuple[str, Any]]
    writers: tuple[str, str]
    signer: tuple[str, str]

    def token(self) -> str:
        issuer = party(self.issuer)
        header = {"alg": issuer.algorithm, "kid": issuer.signer.kid or ABSENT, "typ": issuer.typ or ABSENT}
        parts = [
            b64(WRITERS[writer](json.dumps({name: value for name, value in members.items() if value != ABSENT})))
            for writer, members in zip(
                self.writers, (header | dict(self.header), issuer.usual | dict(self.claims)), strict=True
            )
        ]
        return self._signer().sign_text(".".join(parts))

    def _signer(self) -> Signer:
        kind, name = self.signer
        victim = party(self.issuer).signer
        if kind == "own" or (kind == "public key" and victim.algorithm == "HS256"):
            return victim
        if kind == "public key":
            forger = Signer("HS256", victim.kid)
            forger.private = next(public_forms(victim))
            return forger
        return world().mallory[name].signer if kind == "stranger" else party(name).signer


def changes(members: dict[str, list[Any]]) -> st.SearchStrategy[list[tuple[str, Any]]]:
    return st.lists(st.sampled_from([(name, value) for name in members for value in members[name]]), max_size=2)


SIGNERS = [
    *[("own", "")] * 30,
    *(("other", name) for name in PARTIES),
    *(("stranger", name) for name in ALGORITHMS),
    ("public key", ""),
]
WRITER = st.sampled_from([*["plain", "compact", "long"] * 12, *WRITERS])
RECIPES = st.builds(
    Recipe,
    issuer=st.sampled_from(PARTIES),
    header=changes(HEADERS),
    claims=changes(CLAIMS),
    writers=st.tuples(WRITER, WRITER),
    signer=st.sampled_from(SIGNERS),
)
EDITS = st.builds(Edit, st.integers(-6, 2000), st.text(CHARACTERS, max_size=2), st.integers(0, 2))
EDITED = st.sampled_from([True, False, False, False])
SWAPPED = st.sampled_from([*[None] * 8, 0, 1, 2])


def swapped(token: str, other: str, part: int) -> str:
    """A token with one part of another."""
    parts = token.split(".")
    parts[part] = other.split(".")[part]
    return ".".join(parts)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    folder = tmp_path_factory.mktemp("generated")
    with InProcess.of({"services": attacked(1, folder), "consumers": CONSUMERS}, folder) as routes:
        yield routes


def asked(routes: InProcess, token: str) -> Good | None:
    """Whom the plugin let in."""
    text = f"Bearer {token}".encode("latin-1").decode("utf-8", "surrogateescape")
    request = Request(headers=Headers.received({"authorization": [text]}))
    if routes.ask("attacked", request) is not None:
        return None
    assert request.credential is not None
    credential = "" if request.claims == {} else request.credential
    return Good(credential, request.consumer.username if request.consumer else None)


def test_what_is_let_in_is_what_may_be(routes: InProcess) -> None:
    seen: Counter[str] = Counter()

    @settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(recipe=RECIPES, other=RECIPES, part=SWAPPED, edits=st.lists(EDITS, max_size=2), is_edited=EDITED)
    def compare(recipe: Recipe, other: Recipe, part: int | None, edits: list[Edit], *, is_edited: bool) -> None:
        token = recipe.token() if part is None else swapped(recipe.token(), other.token(), part)
        for edit in edits if is_edited else []:
            token = edit(token)
        try:
            expected = judge(token)
            reason = "let in"
        except BadError as error:
            expected, reason = None, str(error)
        event(reason)
        seen[reason] += 1
        for _ in range(2):  # verified, and remembered
            assert asked(routes, token) == expected, reason

    compare()
    assert seen["let in"] > 0.05 * seen.total()
    assert len(seen) > 8, seen
