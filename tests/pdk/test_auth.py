"""The base of all authentication plugins, alone and several on one chain."""

import asyncio
from collections.abc import Awaitable
from typing import Any, ClassVar, cast

import pytest

from harness.chains import acts
from outrider import Auth, Consumer, Consumers, Identity, Needs, Plugin, Refusal, Request, Response
from outrider.auth import IDENTITY_HEADERS, Outcome
from outrider.errors import StartError
from outrider.testing import Outcome as Answer
from outrider.testing import run

ALICE = Consumer("alice-id", "alice", "custom-alice")
CARL = Consumer("carl-id", custom_id="custom-carl")
STRANGER = Consumer("stranger-id", "stranger")
CONSUMERS = Consumers([ALICE, CARL, STRANGER])


class Door(Auth):
    """Knows a name in `x-NAME-key`: alice, carl, or guest (a good credential of nobody); all else is bad."""

    header: ClassVar[str] = "x-door-key"

    def authenticate(self, request: Request, /) -> Outcome | Awaitable[Outcome]:
        match request.headers.get(self.header):
            case None:
                return None
            case "alice":
                return Identity("alice-key", ALICE, {"sub": "alice"})
            case "carl":
                return Identity("carl-key", CARL)
            case "guest":
                return Identity("guest-key", claims={"sub": "guest"})
            case _:
                return self.refuse()

    def challenge(self) -> str:
        return type(self).__name__

    def hide_credential(self, request: Request, /) -> None:
        request.headers.discard(self.header)


class Gate(Door):
    """The same with another header, a wait in between, and its turn after Door."""

    header: ClassVar[str] = "x-gate-key"
    priority: ClassVar[int] = 50

    async def _later(self, outcome: Any) -> Outcome:
        await asyncio.sleep(0)
        found: Outcome = outcome
        return found

    def authenticate(self, request: Request, /) -> Outcome | Awaitable[Outcome]:
        return self._later(super().authenticate(request))


def ask(plugins: Plugin | list[Plugin], **keys: str) -> Answer:
    headers = {f"x-{name}-key": value for name, value in keys.items()}
    spoofed = {"x-consumer-username": "root", "X_Consumer_Groups": "admins", "x-anonymous-consumer": "true"}
    return run(plugins, Request(headers=headers | spoofed), consumers=CONSUMERS)


def upstream(answer: Answer) -> dict[str, str]:
    assert answer.status == 200
    assert answer.upstream is not None
    return dict(answer.upstream.headers)


TOLD = {
    "alice": {
        "x-credential-identifier": "alice-key",
        "x-consumer-id": "alice-id",
        "x-consumer-username": "alice",
        "x-consumer-custom-id": "custom-alice",
    },
    "carl": {
        "x-credential-identifier": "carl-key",
        "x-consumer-id": "carl-id",
        "x-consumer-custom-id": "custom-carl",
    },
    "guest": {"x-credential-identifier": "guest-key"},
    "stranger": {
        "x-consumer-id": "stranger-id",
        "x-consumer-username": "stranger",
        "x-anonymous-consumer": "true",
    },
}


@pytest.mark.parametrize("name", ["alice", "carl", "guest"])
def test_a_good_credential_tells_upstream_who_calls_and_nothing_that_was_spoofed(name: str) -> None:
    assert upstream(ask(Door(), door=name)) == TOLD[name]
    assert upstream(ask(Gate(), gate=name)) == TOLD[name]


@pytest.mark.parametrize(
    ("name", "consumer", "credential", "claims"),
    [
        ("alice", ALICE, "alice-key", {"sub": "alice"}),
        ("carl", CARL, "carl-key", {}),
        ("guest", None, "guest-key", {"sub": "guest"}),
    ],
)
def test_a_good_credential_tells_later_plugins_who_calls(
    name: str, consumer: Consumer | None, credential: str, claims: dict[str, str]
) -> None:
    request = ask(Door(), door=name).upstream
    assert request is not None
    assert (request.consumer, request.credential, request.claims) == (consumer, credential, claims)


@pytest.mark.parametrize("keys", [{}, {"door": "forged"}])
def test_no_good_credential_is_answered_with_401_and_a_challenge(keys: dict[str, str]) -> None:
    answer = ask(Door(), **keys)
    assert (answer.status, answer.headers["www-authenticate"], answer.upstream) == (401, "Door", None)


@pytest.mark.parametrize("keys", [{}, {"door": "forged"}])
@pytest.mark.parametrize("by", ["stranger", "stranger-id"])
def test_anonymous_lets_strangers_in_and_hides_what_they_carried(keys: dict[str, str], by: str) -> None:
    answer = ask(Door(anonymous=by), **keys)
    assert upstream(answer) == TOLD["stranger"]
    assert answer.upstream is not None
    assert (answer.upstream.consumer, answer.upstream.credential) == (STRANGER, None)


def test_a_good_credential_goes_upstream_only_where_it_may() -> None:
    assert upstream(ask(Door(hide=False), door="alice")) == {"x-door-key": "alice"} | TOLD["alice"]


@pytest.mark.parametrize("plugin", [Door, Gate])
def test_a_bad_credential_never_goes_upstream(plugin: type[Door]) -> None:
    key = {plugin.header.split("-")[1]: "forged"}
    assert upstream(ask(plugin(hide=False, anonymous="stranger"), **key)) == TOLD["stranger"]


BOTH = ("alice", "carl")


@pytest.mark.parametrize("name", ["bad", "alice"])
def test_an_identity_that_an_earlier_plugin_told_of_does_not_outlive_the_answer_of_this_one(name: str) -> None:
    def boasts(request: Request) -> None:
        for header in IDENTITY_HEADERS:
            request.headers[header] = "root"

    told = TOLD["stranger" if name == "bad" else name]
    assert upstream(ask([acts(on_request=boasts), Door(anonymous="stranger")], door=name)) == told


@pytest.mark.parametrize(
    ("door", "gate", "anonymous", "expected"),
    [
        # Without anonymous each one must be satisfied, and the last word counts.
        (None, None, "neither", 401),
        ("alice", None, "neither", 401),
        (None, "alice", "neither", 401),
        ("alice", "forged", "neither", 401),
        ("forged", "alice", "neither", 401),
        ("alice", "carl", "neither", "carl"),
        # With anonymous on all of them one is enough, and the first word counts.
        (None, None, "both", "stranger"),
        ("alice", None, "both", "alice"),
        (None, "alice", "both", "alice"),
        ("alice", "forged", "both", "alice"),
        ("forged", "alice", "both", "alice"),
        ("forged", "forged", "both", "stranger"),
        ("alice", "carl", "both", "alice"),
        ("guest", "carl", "both", "guest"),
        # Only the first one is lenient: the second must be satisfied.
        (None, None, "door", 401),
        ("alice", None, "door", 401),
        (None, "carl", "door", "carl"),
        ("alice", "carl", "door", "carl"),
        # Only the second one is lenient: the first must be satisfied, and that is enough.
        (None, "carl", "gate", 401),
        ("alice", None, "gate", "alice"),
        ("alice", "carl", "gate", "alice"),
        ("alice", "forged", "gate", "alice"),
    ],
)
def test_several_of_them_mean_what_they_mean_in_kong(
    door: str | None, gate: str | None, anonymous: str, expected: str | int
) -> None:
    plugins: list[Plugin] = [
        Door(anonymous="stranger" if anonymous in ("door", "both") else None),
        Gate(anonymous="stranger" if anonymous in ("gate", "both") else None),
    ]
    answer = ask(plugins, **({"door": door} if door else {}), **({"gate": gate} if gate else {}))
    if expected == 401:
        assert (answer.status, answer.upstream) == (401, None)
    else:
        assert upstream(answer) == TOLD[str(expected)]


def test_a_rejected_credential_is_hidden_while_another_lets_the_request_in() -> None:
    plugins: list[Plugin] = [Door(anonymous="stranger"), Gate(anonymous="stranger", hide=False)]
    assert "x-door-key" not in upstream(ask(plugins, door="forged", gate="alice"))
    assert "x-gate-key" not in upstream(ask(plugins, door="alice", gate="forged"))


class Porter(Door):
    """Looks for its names where Door does, and knows only the guest."""

    priority: ClassVar[int] = 40

    def authenticate(self, request: Request, /) -> Outcome:
        found = request.headers.get(self.header)
        return Identity("porters", headers={"x-told": "by the porter"}) if found == "guest" else self.refuse()

    def carrier(self) -> str:
        return self.header


class Doorman(Door):
    """Shares its header with Porter, and knows all but the guest."""

    def authenticate(self, request: Request, /) -> Outcome | Awaitable[Outcome]:
        found = super().authenticate(request)
        known = isinstance(found, Identity) and found.consumer
        return Identity("doormans", known, headers={"x-seen": "by the doorman"}) if known else self.refuse()

    def carrier(self) -> str:
        return self.header


@pytest.mark.parametrize(
    ("name", "credential"), [("guest", "porters"), ("alice", "doormans"), ("forged", None), ("", None)]
)
def test_two_that_share_a_header_are_each_asked_about_it(name: str, credential: str | None) -> None:
    answer = ask([Doorman(anonymous="stranger"), Porter(anonymous="stranger")], **({"door": name} if name else {}))
    sent = upstream(answer)
    assert (sent.get("x-credential-identifier"), "x-door-key" in sent) == (credential, False)


def test_what_the_first_of_two_let_in_goes_upstream_where_it_may_and_what_it_refused_never_does() -> None:
    plugins = [Doorman(anonymous="stranger", hide=False), Porter(anonymous="stranger", hide=False)]
    for name, sent in (("alice", "alice"), ("guest", None), ("forged", None)):
        assert upstream(ask([*plugins], door=name)).get("x-door-key") == sent


def test_where_both_must_be_satisfied_the_second_sees_what_the_first_has_hidden() -> None:
    class Strict(Porter):
        """Knows everybody."""

        def authenticate(self, request: Request, /) -> Outcome:
            return Identity("stricts") if request.headers.get(self.header) else self.refuse()

    sent = upstream(ask([Doorman(), Strict(hide=False)], door="alice"))
    assert (sent["x-credential-identifier"], "x-door-key" in sent) == ("stricts", False)
    assert ask([Doorman(), Strict()], door="guest").status == 401


def test_what_one_told_upstream_does_not_outlive_the_answer_of_the_next() -> None:
    class Both(Porter):
        """Knows everybody."""

        def authenticate(self, _: Request, /) -> Outcome:
            return Identity("boths", headers={"x-told": "by both"})

    sent = upstream(ask([Doorman(), Both()], door="alice"))
    assert ("x-seen" in sent, sent["x-told"]) == (False, "by both")


def test_a_query_and_cookies_that_were_hidden_are_seen_by_the_next_too() -> None:
    seen: list[tuple[str, str | None]] = []

    class Takes(Door):
        """Hides a query and a cookie."""

        def hide_credential(self, request: Request, /) -> None:
            request.query = ""
            request.headers["cookie"] = "theme=dark"

    class Looks(Porter):
        """Looks."""

        def authenticate(self, request: Request, /) -> Outcome:
            seen.append((request.query, request.headers.get("cookie")))
            return self.refuse()

    request = Request(target="/?key=1", headers={"cookie": "key=1; theme=dark"})
    sent = run([Takes(anonymous="stranger"), Looks(anonymous="stranger")], request, consumers=CONSUMERS).upstream
    assert seen == [("key=1", "key=1; theme=dark")]
    assert sent is not None
    assert (sent.target, sent.headers["cookie"]) == ("/", "theme=dark")


def test_a_plugin_that_may_not_see_a_fact_does_not_see_it_where_another_has_hidden_something() -> None:
    class Peeks(Porter):
        """Looks at what it has not declared."""

        def needs(self) -> Needs:
            return Needs(facts=frozenset({"headers"}))

        def authenticate(self, request: Request, /) -> Outcome:
            return Identity(request.client)

    assert ask([Doorman(anonymous="stranger"), Peeks()], door="forged").status == 500


def test_what_one_told_upstream_goes_with_it_also_where_a_fault_came_between() -> None:
    class Fails(Porter):
        """Proves what no header can say."""

        def authenticate(self, _: Request, /) -> Outcome:
            return Identity("fails", headers={"x-fails": "a\nb"})

    class Last(Porter):
        """Knows everybody."""

        priority: ClassVar[int] = 30

        def authenticate(self, _: Request, /) -> Outcome:
            return Identity("last")

    sent = upstream(ask([Doorman(), Fails(on_error="continue"), Last()], door="alice"))
    assert (sent["x-credential-identifier"], "x-seen" in sent) == ("last", False)


@pytest.mark.parametrize("status", [302, 429])
def test_an_answer_that_is_no_rejection_is_given_though_strangers_are_let_in(status: int) -> None:
    class Answers(Door):
        """Sends everybody elsewhere."""

        def authenticate(self, _: Request, /) -> Outcome:
            return Response(status)

    assert ask(Answers(anonymous="stranger")).status == status


class Narrow(Auth):
    """Looks at headers alone, and says so."""

    priority: ClassVar[int] = 150
    knows: str

    def needs(self) -> Needs:
        return Needs(facts=frozenset({"headers"}))

    def authenticate(self, request: Request, /) -> Identity | None:
        return Identity(self.knows) if request.headers.get("x-name") == self.knows else None

    def challenge(self) -> str:
        return f"Name realm={self.knows}"

    def hide_credential(self, request: Request, /) -> None:
        request.headers.discard("x-name")


class Second(Narrow):
    """The same behind it."""

    priority: ClassVar[int] = 140


@pytest.mark.parametrize(("name", "credential"), [("a", "a"), ("b", "b"), ("c", None)])
def test_two_that_declare_their_needs_are_each_asked(name: str, credential: str | None) -> None:
    plugins = [Narrow(knows="a", anonymous="stranger"), Second(knows="b", anonymous="stranger")]
    sent = upstream(run([*plugins], Request(headers={"x-name": name}), consumers=CONSUMERS))
    assert (sent.get("x-credential-identifier"), "x-name" in sent) == (credential, False)


@pytest.mark.parametrize(
    ("status", "own", "expected"),
    [
        (401, {}, "Name realm=a, Name realm=b"),
        (401, {"www-authenticate": "Mine"}, "Mine"),
        (403, {}, None),
    ],
)
def test_who_refuses_strangers_with_401_tells_them_all_ways_in(
    status: int, own: dict[str, str], expected: str | None
) -> None:
    bouncer = acts(on_request=lambda _: Response(status, headers=own))
    plugins = [Narrow(knows="a", anonymous="stranger"), Second(knows="b", anonymous="stranger"), bouncer]
    answer = run(plugins, Request(), consumers=CONSUMERS)
    assert answer.headers.get("www-authenticate") == expected
    assert (answer.status, answer.upstream) == (status, None)


def test_an_identitys_own_headers_go_upstream() -> None:
    class Told(Door):
        """Tells upstream the e-mail address."""

        def authenticate(self, _: Request, /) -> Identity:
            return Identity("key", headers={"x-user-email": "a@b.example"})

    assert upstream(ask(Told()))["x-user-email"] == "a@b.example"


def test_an_identity_that_is_kept_says_the_same_of_every_request() -> None:
    kept = Identity("key", ALICE, {"sub": "alice", "roles": ["user"]}, {"X-User-Email": "a@b.example"})

    class Keeps(Door):
        """Everybody is Alice."""

        def authenticate(self, _: Request, /) -> Identity:
            return kept

    def scribbles(request: Request) -> None:
        request.headers["x-consumer-username"] = request.headers["x-user-email"] = "root"
        request.headers.append("x-consumer-id", "root")
        claims = cast("dict[str, Any]", request.claims)
        claims["sub"] = "root"
        claims["roles"].append("admin")

    for _ in range(2):
        answer = ask([Keeps(), acts(on_request=scribbles)])
        assert answer.status == 200
    last = ask(Keeps())
    assert upstream(last) == TOLD["alice"] | {"x-credential-identifier": "key", "x-user-email": "a@b.example"}
    assert last.upstream is not None
    assert last.upstream.claims == {"sub": "alice", "roles": ["user"]}


@pytest.mark.parametrize(
    "identity", [Identity("a\nb"), Identity("a", Consumer("1\r")), Identity("a", headers={"host": "b"})]
)
def test_an_identity_that_upstream_can_not_be_told_of_lets_nobody_in(identity: Identity) -> None:
    class Told(Door):
        """Finds out what no header can say."""

        def authenticate(self, _: Request, /) -> Identity:
            return identity

    for _ in range(2):
        assert ask(Told()).status == 500


def test_the_refusal_of_a_subclass_is_sent_as_it_is() -> None:
    class Full(Door):
        """Refuses in its own words."""

        def authenticate(self, _: Request, /) -> Refusal:
            return self.refuse("The token has expired", 'Bearer error="invalid_token"')

    answer = ask(Full())
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert b"The token has expired" in answer.body


@pytest.mark.parametrize("anonymous", [None, "stranger"])
@pytest.mark.parametrize("value", [True, "alice", ALICE, b"alice"])
def test_anything_else_than_an_outcome_lets_nobody_in_as_more_than_a_stranger(
    anonymous: str | None, value: Any
) -> None:
    class Odd(Door):
        """Returns garbage."""

        def authenticate(self, _: Request, /) -> Any:
            return value

    answer = ask(Odd(anonymous=anonymous))
    assert answer.status == 500


def test_a_fault_in_authenticate_does_not_let_strangers_in() -> None:
    class Fails(Door):
        """Fails."""

        def authenticate(self, _: Request, /) -> Outcome:
            raise RuntimeError

    assert ask(Fails(anonymous="stranger")).status == 500


def test_an_anonymous_consumer_that_nobody_knows_stops_the_start() -> None:
    with pytest.raises(StartError, match="anonymous: no consumer is called 'nobody'"):
        run(Door(anonymous="nobody"), Request(), consumers=CONSUMERS)


def test_later_plugins_run_only_for_those_who_were_let_in() -> None:
    ran: list[str] = []

    class Later(Plugin):
        """Runs after authentication."""

        priority: ClassVar[int] = 1

        def on_request(self, request: Request, /) -> Response | None:
            ran.append(request.consumer.id if request.consumer else "nobody")
            return None

    ask([Later(), Door()], door="forged")
    ask([Later(), Door()], door="carl")
    assert ran == ["carl-id"]
