"""Every attack of the written list: refused, with no more said than the RFC asks for, and nothing of it upstream."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.attack import Attack, Sent, bearer, sent
from harness.attacked import ALGORITHMS, CONSUMERS, World, attacked, world
from harness.in_process import InProcess
from harness.token_attacks import ATTACKS, page
from outrider import Headers, Request
from outrider.verdict import Reply
from outrider_plugins.jwks import Key, parse_jwks
from outrider_plugins.jws import TokenError
from outrider_plugins.jwt_verifier import TokenVerifier, Trust
from signing import jwks

BY_NAME = {attack.name: attack for attack in ATTACKS}
SPOOFED = [("x-consumer-username", "root"), ("x-email", "root"), ("x-credential-identifier", "root")]
EVERY = pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    folder = tmp_path_factory.mktemp("attacked")
    with InProcess.of({"services": attacked(1, folder), "consumers": CONSUMERS}, folder) as routes:
        yield routes


def request(carried: Sent) -> Request:
    """As a gateway hands it on, with bytes that no plugin could write."""
    fields: dict[str, list[str]] = {}
    for name, value in [*carried.headers, *SPOOFED]:
        fields.setdefault(name.lower(), []).append(value.encode("latin-1").decode("utf-8", "surrogateescape"))
    return Request(target=f"/?{carried.query}", headers=Headers.received(fields))


def ask(routes: InProcess, route: str, carried: Sent) -> tuple[Request, Reply | None]:
    asked = request(carried)
    return asked, routes.ask(route, asked)


def expected(attack: Attack) -> tuple[int, str, str]:
    if attack.route == "attacked-scoped":
        return 403, 'Bearer error="insufficient_scope", scope="read write"', "Forbidden"
    return 401, 'Bearer error="invalid_token"' if attack.seen else 'Bearer realm="outrider"', "Unauthorized"


def test_the_list_is_long_and_no_name_stands_twice() -> None:
    assert len(BY_NAME) == len(ATTACKS) > 200


@EVERY
def test_it_is_refused_without_a_word_about_why(
    routes: InProcess, attack: Attack, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            _, answer = ask(routes, attack.route, sent(attack))
            assert answer is not None, "it was let in"
            told = answer.status, dict(answer.headers)["www-authenticate"], json.loads(answer.body)["message"]
            assert told == expected(attack)
    assert [record.message for record in caplog.records if record.name != "asyncio"] == []


@EVERY
def test_where_strangers_are_let_in_it_is_one_more_stranger(routes: InProcess, attack: Attack) -> None:
    asked, answer = ask(routes, f"{attack.route}-guests", sent(attack))
    assert answer is None
    assert asked.consumer is not None
    assert (asked.consumer.username, asked.credential, asked.claims) == ("guest", None, {})
    assert asked.headers["x-anonymous-consumer"] == "true"
    upstream = repr([asked.target, *asked.headers.fields()])
    assert "root" not in upstream
    if attack.seen:
        assert not [part for part in pieces(sent(attack)) if part in upstream]


def pieces(carried: Sent) -> list[str]:
    """What would show that a token went upstream."""
    everything = " ".join(
        [carried.query, *(value for name, value in carried.headers if name in ("authorization", "cookie"))]
    )
    return [piece for piece in re.split(r"[^A-Za-z0-9_-]+", everything) if len(piece) > 15]


@EVERY
def test_a_careless_verifier_believes_it(attack: Attack) -> None:
    assert attack.believed_by(world(), sent(attack).token)


def honest(world: World) -> list[tuple[str, Sent]]:
    token = world["RS256"].signed()
    good: dict[str, Any] = {"scope": "write read", "tenant": "acme", "admin": True, "team": 1}
    lists: dict[str, Any] = {**good, "scope": ["read", "write"], "tenant": ["acme"]}
    return [
        *(("attacked", bearer(world[name].signed())) for name in (*ALGORITHMS, "orders")),
        ("attacked", bearer(world["orders"].signed({"typ": "application/AT+JWT"}, aud=["payments", "orders"]))),
        ("attacked", bearer(world.by("cube"))),
        ("attacked", bearer(world.alices_own())),
        ("attacked", Sent(token, (("authorization", f"bearer   {token}"),))),
        ("attacked", Sent(token, query=f"a=b&token={token}")),
        ("attacked", Sent(token, (("cookie", f"a=b; session={token}"),))),
        ("attacked-scoped", bearer(world["ES256"].signed(**good))),
        (
            "attacked-scoped",
            bearer(world["ES256"].signed(**lists)),
        ),
    ]


@pytest.mark.parametrize("suffix", ["", "-guests"])
def test_the_same_without_malice_is_let_in(routes: InProcess, suffix: str) -> None:
    for route, carried in honest(world()):
        asked, answer = ask(routes, route + suffix, carried)
        assert answer is None, (route, carried)
        assert asked.consumer is not None
        assert asked.consumer.username == "alice"
        assert "root" not in repr(asked.headers.fields())


NOW = 1_700_000_000.0


class Keys:
    """A key that can be withdrawn."""

    def __init__(self) -> None:
        self.version = 0
        self._set = parse_jwks(jwks(world()["ES256"].signer.row()))

    def withdraw(self) -> None:
        self._set = parse_jwks(jwks(world()["orders"].signer.row(kid="new")))
        self.version += 1

    def find(self, kid: str | None, algorithm: str) -> list[Key]:
        return self._set.find(kid, algorithm)

    def look_again(self) -> None:
        """Nothing to wait for."""


class Replay:
    """A token that was let in once, and the same token later."""

    def __init__(self) -> None:
        self.keys, self.now = Keys(), NOW
        trust = Trust(self.keys, frozenset(), frozenset({"ES256"}))
        trusted = {world()["ES256"].name: trust}
        self._verifier = TokenVerifier(trusted, lambda claims, _: str(claims["sub"]), clock=lambda: self.now)
        self._token = world()["ES256"].signed(exp=NOW + 60)
        assert self.is_believed()

    def is_believed(self) -> bool:
        try:
            return self._verifier.verify(self._token) == "alice"
        except TokenError:
            return False


def test_a_token_that_was_good_is_shown_again_after_its_end() -> None:
    replay = Replay()
    replay.now = NOW + 59.9
    assert replay.is_believed()
    replay.now = NOW + 60
    assert not replay.is_believed()


def test_a_token_that_was_good_is_shown_again_when_its_key_is_withdrawn() -> None:
    replay = Replay()
    replay.keys.withdraw()
    assert not replay.is_believed()


PAGE = Path(__file__).parents[2] / "docs" / "token-attacks.md"


def test_the_page_has_every_attack_and_no_other() -> None:
    assert PAGE.read_text().partition("\n## ")[2] == page().partition("\n## ")[2] + "\n", (
        "write its tables anew with `page`"
    )
