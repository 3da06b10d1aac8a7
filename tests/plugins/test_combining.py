"""Several auth plugins on one route: each combination of what a request shows, in each meaning."""

from collections.abc import Iterator
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest

from harness.combined import (
    AUTHS,
    CREDENTIALS,
    HEADERS,
    MODES,
    PEOPLE,
    SPOOFED,
    Show,
    Shown,
    combined,
    every,
    expected,
    headers,
    may_go_upstream,
    route,
    sharing,
)
from harness.in_process import InProcess
from harness.outrider import Config, plugin, service
from harness.tokens import in_a_day
from outrider import Auth, Consumer, Consumers, Identity, Request
from outrider.testing import run
from outrider.verdict import Reply
from outrider_plugins.acl import Acl
from signing import Signer, jwks

SETS = [
    *((one,) for one in AUTHS),
    ("jwt-auth", "key-auth"),
    ("jwt-auth", "basic-auth"),
    ("key-auth", "basic-auth"),
    AUTHS,
]
SHOWS: tuple[Show, ...] = ("ada", "ben", "bad", "absent")
TOLD = {*SPOOFED, "x-plan"} - {"x-consumer-id"}

BEARER = {name: f"Bearer {token}" for name, token in CREDENTIALS["jwt-auth"].items()}
BASIC = CREDENTIALS["basic-auth"]
KEY = (HEADERS["key-auth"], CREDENTIALS["key-auth"]["ben"])


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    services = [*sharing(1), *(one for auths in SETS for one in combined(1, auths))]
    with InProcess.of({"services": services, "consumers": PEOPLE}, tmp_path_factory.mktemp("combined")) as routes:
        yield routes


def seen(request: Request, answer: Reply | None) -> tuple[int, dict[str, str]]:
    """The status, and what upstream was told."""
    if answer:
        return answer.status, {}
    return 200, {name: value for name, value in request.headers.items() if name in TOLD}


@pytest.mark.parametrize("auths", SETS, ids="+".join)
@pytest.mark.parametrize("mode", MODES)
def test_who_is_let_in_and_as_whom(routes: InProcess, mode: str, auths: tuple[str, ...]) -> None:
    for shown in every(SHOWS, auths):
        request = Request(headers=headers(shown))
        answer = routes.ask(route(mode, auths), request)
        wanted = expected(mode, shown)
        assert seen(request, answer) == (wanted.status, wanted.told or {}), shown
        challenge = dict(answer.headers).get("www-authenticate", "") if answer else ""
        assert all(one in challenge for one in wanted.challenges), shown


@pytest.mark.parametrize("auths", SETS, ids="+".join)
@pytest.mark.parametrize("mode", MODES)
def test_no_credential_goes_upstream_but_the_token_that_let_a_request_in(
    routes: InProcess, mode: str, auths: tuple[str, ...]
) -> None:
    for shown in every(SHOWS, auths):
        request = Request(headers=headers(shown))
        if routes.ask(route(mode, auths), request) is None:
            assert leaked(request) == may_go_upstream(shown), shown
            assert "spoofed" not in dict(request.headers).values(), shown


def leaked(request: Request) -> set[str]:
    """The credentials that upstream gets, wherever they stand."""
    everything = repr([request.target, *request.headers.fields()])
    return {one for kind in CREDENTIALS.values() for one in kind.values() if one in everything}


@pytest.mark.parametrize("mode", MODES)
def test_the_order_in_the_file_does_not_matter(tmp_path_factory: pytest.TempPathFactory, mode: str) -> None:
    shown: Shown = {"jwt-auth": "bad", "key-auth": "ben", "basic-auth": "ada"}
    found: list[tuple[int, dict[str, str]]] = []
    for auths in permutations(AUTHS):
        config = {"services": combined(1, auths), "consumers": PEOPLE}
        with InProcess.of(config, tmp_path_factory.mktemp("order")) as routes:
            request = Request(headers=headers(shown))
            found.append(seen(request, routes.ask(route(mode, auths), request)))
    wanted = expected(mode, shown)
    assert found == [(wanted.status, wanted.told or {})] * 6


REQUIRED = [some for size in (1, 2) for some in combinations(AUTHS, size)]


@pytest.mark.parametrize("required", REQUIRED, ids="+".join)
def test_where_only_some_let_strangers_in_the_others_decide_alone(
    tmp_path_factory: pytest.TempPathFactory, required: tuple[str, ...]
) -> None:
    service = combined(1)[MODES.index("strangers")]
    for one in service["plugins"]:
        if one["name"] in required:
            del one["config"]["anonymous"]
    config = {"services": [service], "consumers": PEOPLE}
    with InProcess.of(config, tmp_path_factory.mktemp("some")) as routes:
        for shown in every(SHOWS):
            request = Request(headers=headers(shown))
            answer = routes.ask(route("strangers"), request)
            wanted = expected("all", {name: shown[name] for name in required})
            assert seen(request, answer) == (wanted.status, wanted.told or {}), shown
            assert answer or leaked(request) == may_go_upstream(shown), shown


def test_a_stranger_to_all_is_the_last_ones(tmp_path: Path) -> None:
    plugins = [plugin("key-auth", anonymous="visitor"), plugin("basic-auth", anonymous="nobody")]
    config = {"services": [service("two", 1, *plugins)], "consumers": PEOPLE}
    with InProcess.of(config, tmp_path) as routes:
        request = Request()
        assert routes.ask("two", request) is None
    assert request.headers["x-consumer-username"] == "nobody"


ISSUER = Signer("ES256")


def issued(**claims: Any) -> tuple[str, str]:
    return "authorization", "Bearer " + ISSUER.token({"iss": "issuer", "sub": "ada", "exp": in_a_day(), **claims})


def trusting(folder: Path, **fields: Any) -> Config:
    (folder / "jwks.json").write_bytes(jwks(ISSUER.row()))
    return plugin("jwt-auth", issuers=[{"issuer": "issuer", "jwks": "jwks.json"}], **fields)


def test_where_all_are_required_the_claims_of_a_token_do_not_outlive_the_key_behind_it(tmp_path: Path) -> None:
    acl = plugin("acl", allow=["staff"], claim="groups")
    token = trusting(tmp_path, claims_to_headers={"email": "x-email"})
    services = [service("alone", 1, token, acl), service("both", 1, token, plugin("key-auth"), acl)]
    with InProcess.of({"services": services, "consumers": PEOPLE}, tmp_path) as routes:
        staff = issued(groups=["staff"], email="ada@example.com")
        request = Request(headers=[staff])
        assert routes.ask("alone", request) is None
        assert request.headers["x-authenticated-groups"] == "staff"
        refused = routes.ask("both", Request(headers=[staff, KEY]))
        assert refused is not None
        assert refused.status == 403
        request = Request(headers=[staff, ("x-api-key", CREDENTIALS["key-auth"]["ada"])])
        assert routes.ask("both", request) is None
        assert request.headers["x-consumer-groups"] == "staff, ops"
        assert {"x-authenticated-groups", "x-email"}.isdisjoint(request.headers)


def test_a_token_without_its_scope_makes_a_stranger_where_strangers_are_let_in(tmp_path: Path) -> None:
    token = trusting(tmp_path, required_scopes=["read"], anonymous="visitor")
    with InProcess.of({"services": [service("scoped", 1, token)], "consumers": PEOPLE}, tmp_path) as routes:
        for scope, who in (("read", "ada"), ("write", "visitor")):
            request = Request(headers=[issued(scope=scope)])
            assert routes.ask("scoped", request) is None
            assert request.headers["x-consumer-username"] == who
            assert ("authorization" in request.headers) is (who == "ada")


class Broken(Auth):
    """Fails."""

    def authenticate(self, _: Request, /) -> Identity:
        raise RuntimeError("broken")

    def challenge(self) -> str:
        return "Broken"

    def hide_credential(self, request: Request, /) -> None:
        request.headers.discard("x-broken")


def test_one_that_fails_and_is_told_to_go_on_lets_nobody_past_acl() -> None:
    guest = Consumers([Consumer("c-1", username="guest")])
    broken = Broken(anonymous="guest", on_error="continue")
    assert run(broken, Request(), consumers=guest).status == 200
    for acl in (Acl(allow=["staff"]), Acl(deny=["interns"])):
        assert run([broken, acl], Request(), consumers=guest).status == 401


# Which of two counts, two servers answer differently. Gateways join repeated headers with a comma.
AMBIGUOUS = [
    [BEARER["ada"], BASIC["ada"]],
    [BASIC["ada"], BEARER["ada"]],
    [BEARER["ada"], BEARER["ada"]],
    [f"{BEARER['ada']}, {BASIC['ada']}"],
    [f"{BASIC['ada']}, {BEARER['ada']}"],
    [f"{BASIC['ada']},{BASIC['ada']}"],
]


@pytest.mark.parametrize(
    ("sent", "by", "kept"),
    [
        ([BEARER["ada"]], "ada-jwt-auth", True),
        ([BASIC["ada"]], "ada-basic-auth", False),
        ([BEARER["bad"]], None, False),
        ([BASIC["bad"]], None, False),
        *((sent, None, False) for sent in AMBIGUOUS),
    ],
)
@pytest.mark.parametrize("mode", ["any", "strangers"])
def test_two_that_share_a_header_each_take_what_is_theirs_and_neither_takes_two(
    routes: InProcess, mode: str, sent: list[str], by: str | None, kept: bool
) -> None:
    # The key is asked before the password.
    for more, wanted in (([], by), ([KEY], by if kept else "ben-key-auth")):
        request = Request(headers=[*(("authorization", one) for one in sent), *more, *SPOOFED.items()])
        answer = routes.ask(f"sharing-{mode}", request)
        assert (answer is None) is (mode == "strangers" or wanted is not None)
        if answer is None:
            assert request.headers.get("x-credential-identifier") == wanted
            assert request.headers.get_all("authorization") == (sent if kept else [])
            assert KEY[0] not in request.headers


@pytest.mark.parametrize("sent", [[BEARER["ada"]], [BASIC["ada"]], *AMBIGUOUS])
def test_one_header_can_not_satisfy_two_that_are_both_required(routes: InProcess, sent: list[str]) -> None:
    answer = routes.ask("sharing-all", Request(headers=[*(("authorization", one) for one in sent), KEY]))
    assert answer is not None
    assert answer.status == 401
