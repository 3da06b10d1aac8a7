"""jwt-auth: who gets in, what upstream is told, and what strangers are told."""

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Any

import pytest

from outrider import Consumer, Consumers, Request, Runtime
from outrider.testing import Outcome, Runner, run
from outrider_plugins.jwt_auth import JwtAuth
from outrider_plugins.jwt_issuer import Issuer
from signing import ALGORITHMS, Signer, jwks

ALICE = Consumer("c-1", username="alice", custom_id="4711")
BOB = Consumer("c-2", username="bob")
GUEST = Consumer("c-3", username="guest")
ISSUER = "https://issuer.example"
KEY = Signer("ES256")
INVALID = 'Bearer error="invalid_token"'
# Many tokens are made when this file is imported: none may expire, or come into force, before its test runs.
NOW, DAY = int(time.time()), 86_400


PEOPLE = Consumers([ALICE, BOB, GUEST])


@pytest.fixture
def plugin(tmp_path: Path) -> "Make":
    return Make(tmp_path)


class Make:
    """Builds the plugin with one issuer, whose keys are in a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "jwks.json"

    def issuer(self, *signers: Signer, **fields: Any) -> Issuer:
        self.file.write_bytes(jwks(*(signer.row() for signer in signers or [KEY])))
        return Issuer.model_validate({"issuer": ISSUER, "jwks": str(self.file), **fields})

    def __call__(self, *signers: Signer, issuer: dict[str, Any] | None = None, **fields: Any) -> JwtAuth:
        return JwtAuth(issuers=[self.issuer(*signers, **(issuer or {}))], **fields)


def token(signer: Signer = KEY, **claims: Any) -> str:
    usual = {"iss": ISSUER, "sub": "alice", "exp": NOW + DAY}
    return signer.token({name: value for name, value in {**usual, **claims}.items() if value is not None})


def ask(plugin: JwtAuth, *credentials: str) -> Outcome:
    sent = [("authorization", credential) for credential in credentials]
    return run(plugin, Request(headers=sent), consumers=PEOPLE)


def bearer(plugin: JwtAuth, text: str) -> Outcome:
    return ask(plugin, f"Bearer {text}")


def upstream(outcome: Outcome) -> Request:
    assert outcome.upstream is not None, (outcome.status, outcome.headers)
    return outcome.upstream


def refused(outcome: Outcome, challenge: str = INVALID) -> bool:
    assert outcome.upstream is None
    assert json.loads(outcome.body)["message"] == "Unauthorized"
    return (outcome.status, outcome.headers["www-authenticate"]) == (401, challenge)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_of_each_algorithm_lets_its_consumer_in(plugin: Make, algorithm: str) -> None:
    signer = Signer(algorithm)
    sent = upstream(bearer(plugin(signer, issuer={"algorithms": [algorithm]}), token(signer)))
    assert (sent.consumer, sent.credential, sent.claims["iss"]) == (ALICE, "alice", ISSUER)
    assert sent.headers["x-consumer-id"] == "c-1"
    assert sent.headers["x-consumer-username"] == "alice"
    assert sent.headers["x-consumer-custom-id"] == "4711"
    assert sent.headers["x-credential-identifier"] == "alice"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_shared_secrets_are_accepted_only_where_they_are_listed(plugin: Make, algorithm: str) -> None:
    outcome = bearer(plugin(Signer(algorithm)), token(Signer(algorithm)))
    assert outcome.status == (401 if algorithm.startswith("HS") else 200)


def test_an_algorithm_that_is_not_listed_is_refused_though_the_key_fits(plugin: Make) -> None:
    assert refused(bearer(plugin(Signer("RS256"), issuer={"algorithms": ["PS256"]}), token(Signer("RS256"))))


def test_a_public_key_is_no_shared_secret_even_where_secrets_are_listed(plugin: Make) -> None:
    victim, forger = Signer("RS256"), Signer("HS256")
    auth = plugin(victim, Signer("HS256", "other"), issuer={"algorithms": ["RS256", "HS256"]})
    for secret in (victim.pem(), json.dumps(victim.row())):
        forger.private = secret.encode()
        assert refused(bearer(auth, token(forger)))


def test_a_request_without_a_token_is_told_the_scheme_and_no_error(plugin: Make) -> None:
    assert refused(ask(plugin()), 'Bearer realm="outrider"')
    assert refused(ask(plugin(), "Basic YTpi"), 'Bearer realm="outrider"')


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW - 1},
        {"exp": None},
        {"exp": str(NOW + DAY)},
        {"nbf": NOW + DAY},
        {"iat": NOW + DAY},
        {"aud": "orders"},
        {"iss": None},
        {"iss": "https://issuer.example/"},
        {"iss": "toString"},
        {"sub": 1},
    ],
)
def test_a_token_with_bad_claims_is_refused_without_a_word_about_why(plugin: Make, claims: dict[str, Any]) -> None:
    assert refused(bearer(plugin(), token(**claims)))


def test_the_rules_can_be_loosened(plugin: Make) -> None:
    assert bearer(plugin(require_exp=False), token(exp=None)).status == 200
    assert bearer(plugin(leeway=300), token(exp=int(time.time()) - 100)).status == 200
    assert bearer(plugin(issuer={"audiences": ["a", "orders"]}), token(aud=["orders"])).status == 200
    assert refused(bearer(plugin(issuer={"audiences": ["a", "orders"]}), token()))


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "bEaReR   "])
def test_the_scheme_is_written_in_any_case(plugin: Make, scheme: str) -> None:
    assert ask(plugin(), f"{scheme}{token()}").status == 200


GOOD = token()
ODD = [
    [f"Bearer {GOOD}", f"Bearer {GOOD}"],
    ["Basic YTpi", f"Bearer {GOOD}"],
    [f"Bearer {GOOD}", "Basic YTpi"],
    [f"Bearer {GOOD}, Bearer {GOOD}"],
    [f"Bearer {GOOD},Bearer {GOOD}"],
    [f"Bearer {GOOD},"],
    [f"Bearer ,{GOOD}"],
    [f", Bearer {GOOD}"],
    [f"Basic YTpi, bearer {GOOD}"],
    [f"Bearer  {GOOD} {GOOD}"],
    [f"Bearer {GOOD} realm=a"],
    [f"Bearer\t{GOOD}"],
    [f" Bearer {GOOD}"],
    [f"Bearer\xa0{GOOD}"],
    [f"Bearer:{GOOD}"],
    [f'Bearer "{GOOD}"'],
    ["Bearer"],
    ["Bearer "],
    ["Bearer \udcff"],
    ["Bearer " + "a" * 70_000],
    ["Bearer " + "." * 70_000],
]


@pytest.mark.parametrize("credentials", ODD)
def test_any_other_form_is_refused_also_two_that_are_joined(plugin: Make, credentials: list[str]) -> None:
    assert refused(ask(plugin(), *credentials))


@pytest.mark.parametrize("credentials", [*ODD, [f"Bearer {KEY.token({'iss': ISSUER})}"]])
def test_where_strangers_are_let_in_their_token_does_not_go_upstream(plugin: Make, credentials: list[str]) -> None:
    sent = upstream(ask(plugin(anonymous="guest"), *credentials))
    assert (sent.consumer, sent.credential, sent.claims) == (GUEST, None, {})
    assert sent.headers["x-anonymous-consumer"] == "true"
    assert "authorization" not in sent.headers


@pytest.mark.parametrize("credential", ["Basic YTpi", "Bearerish a", 'Digest username="bearer"'])
def test_credentials_of_another_kind_are_left_alone(plugin: Make, credential: str) -> None:
    assert upstream(ask(plugin(anonymous="guest"), credential)).headers["authorization"] == credential


def test_a_good_token_goes_upstream_unless_it_is_hidden(plugin: Make) -> None:
    assert upstream(bearer(plugin(), GOOD)).headers["authorization"] == f"Bearer {GOOD}"
    assert "authorization" not in upstream(bearer(plugin(hide=True), GOOD)).headers


@pytest.mark.parametrize(
    ("claims", "consumer"),
    [
        ({"sub": "alice"}, ALICE),
        ({"sub": "4711"}, ALICE),
        ({"sub": "c-1"}, None),
        ({"sub": "nobody"}, None),
        ({"sub": ""}, None),
        ({"sub": None}, None),
        ({"sub": "Alice"}, None),
    ],
)
def test_the_subject_finds_a_consumer_by_username_and_custom_id(
    plugin: Make, claims: Any, consumer: Consumer | None
) -> None:
    assert upstream(bearer(plugin(), token(**claims))).consumer == consumer


@pytest.mark.parametrize(
    ("claim", "claims", "consumer"),
    [
        ("email", {"email": "bob"}, BOB),
        ("app.owner", {"app": {"owner": "bob"}}, BOB),
        ("app.owner", {"app.owner": "bob", "app": {"owner": "alice"}}, BOB),
        ("app.owner", {"app": "bob"}, None),
        ("app", {"app": {"owner": "bob"}}, None),
        ("number", {"number": 4711}, None),
        ("list", {"list": ["bob"]}, None),
    ],
)
def test_another_claim_may_name_the_consumer(
    plugin: Make, claim: str, claims: Any, consumer: Consumer | None
) -> None:
    sent = upstream(bearer(plugin(consumer_claim=claim), token(**claims)))
    assert (sent.consumer, sent.credential) == (consumer, "alice")


def test_a_token_of_nobody_we_know_is_a_credential_without_a_consumer(plugin: Make) -> None:
    sent = upstream(bearer(plugin(), token(sub="nobody")))
    assert (sent.consumer, sent.credential) == (None, "nobody")
    assert sent.headers["x-credential-identifier"] == "nobody"
    assert "x-consumer-id" not in sent.headers


def test_without_a_subject_the_issuer_is_the_credential(plugin: Make) -> None:
    assert upstream(bearer(plugin(), token(sub=None))).credential == ISSUER


@pytest.mark.parametrize("required", [["read"], ["read", "write:all"], []])
@pytest.mark.parametrize(
    "claims", [{"scope": "read write:all x"}, {"scp": ["read", "write:all"]}, {"scp": "write:all read"}]
)
def test_a_token_with_all_scopes_is_let_in(plugin: Make, required: list[str], claims: Any) -> None:
    assert bearer(plugin(required_scopes=required), token(**claims)).status == 200


@pytest.mark.parametrize(
    "claims",
    [
        *({}, {"scope": "read"}, {"scope": ""}, {"scope": "readwrite"}, {"scope": "READ WRITE"}),
        *({"scope": "read,write"}, {"scope": "read\twrite"}, {"scope": None, "scp": ["read"]}, {"scope": 1}),
        *({"scope": {"read": 1, "write": 1}}, {"scp": [["read", "write"]]}, {"scope": "read", "scp": "write"}),
    ],
)
def test_a_token_without_one_is_told_which_are_needed(plugin: Make, claims: Any) -> None:
    auth = plugin(required_scopes=["read", "write"])
    outcome = bearer(auth, token(**claims))
    assert (outcome.status, outcome.upstream) == (403, None)
    assert outcome.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="read write"'


def test_the_scopes_of_a_token_that_is_remembered_are_checked_too(plugin: Make) -> None:
    async def statuses() -> list[int]:
        async with Runner([plugin(required_scopes=["read"])], Runtime(PEOPLE)) as runner:
            requests = [Request(headers={"authorization": f"Bearer {GOOD}"}) for _ in range(2)]
            return [(await runner.send(request)).status for request in requests]

    assert asyncio.run(statuses()) == [403, 403]


def test_tokens_are_in_no_log_and_no_representation(plugin: Make, caplog: pytest.LogCaptureFixture) -> None:
    auth = plugin(required_scopes=["x"])
    with caplog.at_level(logging.DEBUG):
        outcomes = [bearer(auth, GOOD), bearer(auth, GOOD[:-4] + "AAAA"), bearer(plugin(), GOOD)]
    shown = f"{auth!r} {outcomes[2].upstream!r} {[outcome.body for outcome in outcomes]}" + caplog.text
    assert all(part not in shown for part in GOOD.split("."))


def at(plugin: JwtAuth, target: str = "/", *headers: tuple[str, str]) -> Outcome:
    return run(plugin, Request(target=target, headers=headers), consumers=PEOPLE)


def test_the_token_may_stand_in_another_header_a_query_or_a_cookie(plugin: Make) -> None:
    auth = plugin(header="x-token", query="token", cookie="session")
    for outcome in (
        at(auth, "/", ("x-token", GOOD)),
        at(auth, f"/?a=1&token={GOOD}"),
        at(auth, "/", ("cookie", f"theme=dark; session={GOOD}")),
    ):
        assert upstream(outcome).consumer == ALICE
    assert refused(at(auth, "/", ("authorization", f"Bearer {GOOD}")), 'Bearer realm="outrider"')


@pytest.mark.parametrize("place", ["x-token", "query", "cookie"])
def test_a_token_in_any_place_is_hidden_where_it_has_to_be(plugin: Make, place: str) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [(GOOD, {"hide": True}), (f"{GOOD}x", {"anonymous": "guest"})]
    for text, fields in cases:
        auth = plugin(header="x-token", query="token", cookie="session", **fields)
        headers = {"x-token": [("x-token", text)], "cookie": [("cookie", f"session={text}; a=b")]}.get(place, [])
        sent = upstream(at(auth, f"/?token={text}&b=c" if place == "query" else "/?b=c", *headers))
        assert (sent.target, sent.headers.get("cookie")) == ("/?b=c", "a=b" if place == "cookie" else None)
        assert GOOD not in str(list(sent.headers.fields()))


def test_a_token_in_two_places_is_refused_even_if_it_is_the_same(plugin: Make) -> None:
    auth = plugin(query="token", cookie="session")
    header, cookie = ("authorization", f"Bearer {GOOD}"), ("cookie", f"session={GOOD}")
    assert upstream(at(auth, "/", header)).consumer == ALICE
    for outcome in (
        at(auth, f"/?token={GOOD}", header),
        at(auth, "/", header, cookie),
        at(auth, f"/?token={GOOD}&token={GOOD}"),
        at(auth, f"/?token={GOOD}", cookie),
        at(auth, f"/?token={GOOD}", ("authorization", "Bearer")),
    ):
        assert refused(outcome)


@pytest.mark.parametrize(
    ("scope", "status"), [("read", 200), ("x write", 200), ("read write", 200), ("x", 403), ("", 403)]
)
def test_one_of_several_scopes_can_be_enough(plugin: Make, scope: str, status: int) -> None:
    outcome = bearer(plugin(any_scopes=["read", "write"]), token(scope=scope))
    assert outcome.status == status
    if status == 403:
        assert outcome.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="read write"'


def test_some_scopes_can_be_needed_beside_one_of_others(plugin: Make) -> None:
    auth = plugin(required_scopes=["openid"], any_scopes=["read", "write"])
    for scope, status in (("openid read", 200), ("openid", 403), ("read write", 403)):
        assert bearer(auth, token(scope=scope)).status == status


@pytest.mark.parametrize(
    ("required", "claims", "status"),
    [
        ({"tenant": "acme"}, {"tenant": "acme"}, 200),
        ({"tenant": ["acme", "blue"]}, {"tenant": "blue"}, 200),
        ({"tenant": "acme"}, {"tenant": ["x", "acme"]}, 200),
        ({"tenant": "acme"}, {"tenant": "ACME"}, 403),
        ({"tenant": "acme"}, {"tenant": "acme "}, 403),
        ({"tenant": "acme"}, {"tenant": {"acme": 1}}, 403),
        ({"tenant": "acme"}, {"tenant": [["acme"]]}, 403),
        ({"tenant": "acme"}, {"tenant": None}, 403),
        ({"tenant": "acme"}, {}, 403),
        ({"tenant": []}, {"tenant": "any"}, 200),
        ({"tenant": []}, {}, 403),
        ({"email_verified": True}, {"email_verified": True}, 200),
        ({"email_verified": True}, {"email_verified": False}, 403),
        ({"email_verified": True}, {"email_verified": 1}, 403),
        ({"level": [2, 3]}, {"level": 3}, 200),
        ({"level": [2, 3]}, {"level": 23}, 403),
        ({"realm.role": "admin"}, {"realm": {"role": ["user", "admin"]}}, 200),
        ({"realm.role": "admin"}, {"realm": "admin"}, 403),
        ({"tenant": "acme", "level": 2}, {"tenant": "acme"}, 403),
    ],
)
def test_claims_can_be_required(plugin: Make, required: Any, claims: Any, status: int) -> None:
    outcome = bearer(plugin(required_claims=required), token(**claims))
    assert outcome.status == status
    if status == 403:
        assert outcome.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


@pytest.mark.parametrize(
    ("kind", "status"),
    [("at+jwt", 200), ("AT+JWT", 200), ("application/at+jwt", 200), ("JWT", 401), ("", 401), (None, 401), (7, 401)],
)
def test_a_type_can_be_required(plugin: Make, kind: Any, status: int) -> None:
    text = KEY.token({"iss": ISSUER, "sub": "alice", "exp": NOW + DAY}, typ=kind)
    assert bearer(plugin(issuer={"types": ["at+jwt"]}), text).status == status
