"""basic-auth: who gets in, and what goes upstream."""

from collections.abc import Callable

import pytest

from logins import ALADDIN, ALICE, BOB, FORMS, GUEST, USUAL, argon2, basic, hashed, people
from outrider import Consumers, Request, StartError
from outrider.testing import Outcome, run
from outrider_plugins.basic_auth import LONGEST, BasicAuth

CHALLENGE = 'Basic realm="outrider", charset="UTF-8"'


def ask(plugin: BasicAuth, *credentials: str, consumers: Consumers = USUAL) -> Outcome:
    headers = [("authorization", credential) for credential in credentials]
    return run(plugin, Request(headers=headers), consumers=consumers)


def refused(outcome: Outcome) -> bool:
    return outcome.status == 401 and outcome.upstream is None and outcome.headers["www-authenticate"] == CHALLENGE


def upstream(outcome: Outcome) -> Request:
    assert outcome.upstream is not None, outcome.body
    return outcome.upstream


def test_a_good_password_tells_upstream_who_calls() -> None:
    sent = upstream(ask(BasicAuth(), ALADDIN))
    assert sent.consumer == ALICE
    assert sent.credential == "id-of-Aladdin"
    assert sent.headers["x-consumer-id"] == "c-1"
    assert sent.headers["x-consumer-username"] == "alice"
    assert sent.headers["x-consumer-custom-id"] == "4711"
    assert sent.headers["x-credential-identifier"] == "id-of-Aladdin"


def test_user_name_and_password_are_utf_8() -> None:
    # RFC 7617, section 2.1
    assert ask(BasicAuth(), "Basic dGVzdDoxMjPCow==", consumers=people((BOB, "test", "123£"))).status == 200


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
@pytest.mark.parametrize("space", [" ", "   "])
def test_the_scheme_is_known_in_any_case(scheme: str, space: str) -> None:
    assert ask(BasicAuth(), scheme + space + ALADDIN.split(" ")[1]).status == 200


@pytest.mark.parametrize("password", ["with:colon", ":", "a b", "'\"\\,;=", "ünïcödé 😀", "x" * 3000])
@pytest.mark.parametrize("form", [str, hashed, argon2])
def test_a_password_may_hold_anything_but_control_characters(form: Callable[[str], str], password: str) -> None:
    assert ask(BasicAuth(), basic(f"bob:{password}"), consumers=people((BOB, "bob", form(password)))).status == 200


@pytest.mark.parametrize("form", FORMS)
def test_every_stored_form_lets_its_password_in_and_no_other(form: Callable[[str], str]) -> None:
    stored = form("open sesame")
    known = people((ALICE, "Aladdin", stored))
    assert upstream(ask(BasicAuth(), ALADDIN, consumers=known)).consumer == ALICE
    for other in ("", "open", "Open sesame", "open sesame ", "open sesame" * 7):
        assert refused(ask(BasicAuth(), basic(f"Aladdin:{other}"), consumers=known))
    assert ask(BasicAuth(), basic(f"Aladdin:{stored}"), consumers=known).status == (200 if form is str else 401)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "text", ["nobody:open sesame", ":open sesame", "aladdin:open sesame", "Aladdin :open sesame", "Aladdin:", ":"]
)
def test_any_other_pair_is_refused(form: Callable[[str], str], text: str) -> None:
    assert refused(ask(BasicAuth(), basic(text), consumers=people((ALICE, "Aladdin", form("open sesame")))))


def test_everybody_is_refused_where_the_file_has_no_passwords() -> None:
    assert refused(ask(BasicAuth(), ALADDIN, consumers=Consumers()))


MALFORMED = [
    "Basic",
    "Basic ",
    "Basic \t" + ALADDIN[6:],
    "Basic\t" + ALADDIN[6:],
    "Basic:" + ALADDIN[6:],
    "Basic=" + ALADDIN[6:],
    "Basic " + ALADDIN[6:] + " x",
    "Basic " + ALADDIN[6:] + ",",
    ALADDIN + ", " + ALADDIN,
    ALADDIN + ", Bearer x",
    "Bearer x, " + ALADDIN,
    ", " + ALADDIN,
    ALADDIN.rstrip("="),
    ALADDIN.removesuffix("="),
    ALADDIN + "=",
    ALADDIN + "\udc80",
    "Basic QWxhZGRpbjpvcGVuIHNlc2FtZR==",  # bits after the last byte
    "Basic QWxhZGRp bjpvcGVuIHNlc2FtZQ==",
    "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ%3D%3D",
    'Basic "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="',
    "Basic Aladdin:open sesame",
    "Basic ????",
    "Basic Pz8/Pz8_",  # base64url
    "Basic é",
    basic("Aladdin"),  # no colon
    basic(""),
    basic("Aladdin:open sesame\0"),
    basic("Aladdin\0:open sesame"),
    basic("Aladdin:open sesame\n"),
    basic("Aladdin:open sesame\x7f"),
    basic("Aladdin:open sesame\x85"),
    basic(b"Aladdin:open sesame\xff"),
    basic(b"Aladdin:open sesame\xed\xa0\x80"),  # half a surrogate pair
    basic(b"\xc1\x81laddin:open sesame"),  # an overlong A
    basic("\ufeffAladdin:open sesame"),
    basic("Aladdin:" + "x" * LONGEST),
]


@pytest.mark.parametrize("credential", MALFORMED)
def test_a_malformed_credential_is_refused_and_never_goes_upstream(credential: str) -> None:
    assert refused(ask(BasicAuth(), credential))
    for plugin in (BasicAuth(anonymous="guest"), BasicAuth(anonymous="guest", hide=False)):
        sent = upstream(ask(plugin, credential))
        assert sent.consumer == GUEST
        assert "authorization" not in sent.headers


@pytest.mark.parametrize("others", [[ALADDIN], ["Bearer x"], ["Basic"], [""], [basic("bob:bob's")]])
def test_two_credentials_are_refused_even_if_both_are_good(others: list[str]) -> None:
    for credentials in ([ALADDIN, *others], [*others, ALADDIN]):
        assert refused(ask(BasicAuth(), *credentials))
        assert "authorization" not in upstream(ask(BasicAuth(anonymous="guest"), *credentials)).headers


def test_a_credential_is_looked_at_up_to_the_longest() -> None:
    password = "x" * (LONGEST // 4 * 3 - len("bob:"))
    known = people((BOB, "bob", password), (ALICE, "bob2", password + "yyy"))
    assert ask(BasicAuth(), basic(f"bob:{password}"), consumers=known).status == 200
    assert refused(ask(BasicAuth(), basic(f"bob2:{password}yyy"), consumers=known))


def test_no_credential_is_refused_with_a_challenge() -> None:
    assert refused(ask(BasicAuth()))


@pytest.mark.parametrize("other", ["Bearer x", "Basically x", "Basic-2 x", "X-Basic x", "Digest username=basic"])
def test_a_credential_of_another_kind_is_none_and_stays_where_strangers_are_let_in(other: str) -> None:
    assert refused(ask(BasicAuth(), other))
    assert upstream(ask(BasicAuth(anonymous="guest"), other)).headers["authorization"] == other


@pytest.mark.parametrize("form", FORMS)
def test_a_good_password_goes_upstream_only_where_hide_is_off(form: Callable[[str], str]) -> None:
    known = people((ALICE, "Aladdin", form("open sesame")))
    assert "authorization" not in upstream(ask(BasicAuth(), ALADDIN, consumers=known)).headers
    assert upstream(ask(BasicAuth(hide=False), ALADDIN, consumers=known)).headers["authorization"] == ALADDIN


@pytest.mark.parametrize("form", FORMS)
def test_strangers_are_let_in_as_the_anonymous_consumer_and_their_password_is_hidden(
    form: Callable[[str], str],
) -> None:
    known = people((ALICE, "Aladdin", form("open sesame")))
    for credentials in ([], [basic("Aladdin:wrong")], [basic("nobody:wrong")]):
        sent = upstream(ask(BasicAuth(anonymous="guest", hide=False), *credentials, consumers=known))
        assert (sent.consumer, sent.credential) == (GUEST, None)
        assert sent.headers["x-anonymous-consumer"] == "true"
        assert "authorization" not in sent.headers


def test_what_downstream_says_it_is_is_removed() -> None:
    spoofed = {"authorization": ALADDIN, "x-consumer-username": "root", "x-anonymous-consumer": "true"}
    sent = upstream(run(BasicAuth(), Request(headers=spoofed), consumers=USUAL))
    assert sent.headers["x-consumer-username"] == "alice"
    assert "x-anonymous-consumer" not in sent.headers


def test_the_anonymous_consumer_must_exist() -> None:
    with pytest.raises(StartError, match="no consumer is called 'nobody'"):
        ask(BasicAuth(anonymous="nobody"))
