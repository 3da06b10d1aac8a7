"""key-auth: who gets in, and what goes upstream."""

import asyncio
import logging
from collections.abc import Callable
from hashlib import sha256

import pytest
from pydantic import SecretStr

from outrider import Consumer, Consumers, Credential, Request, Runtime, StartError
from outrider.testing import Outcome, Runner, run
from outrider_plugins.key_auth import KeyAuth

ALICE = Consumer("c-1", username="alice", custom_id="4711")
BOB = Consumer("c-2", username="bob")
GUEST = Consumer("c-3", username="guest")


def consumers(**keys: str) -> Consumers:
    owners = {"alice": ALICE, "bob": BOB}
    rows = [Credential(owners[name], f"key-of-{name}", {"key": SecretStr(key)}) for name, key in keys.items()]
    return Consumers([ALICE, BOB, GUEST], {"keyauth_credentials": rows})


def ask(plugin: KeyAuth, request: Request) -> Outcome:
    return run(plugin, request, consumers=consumers(alice="alice-key", bob="bob-key"))


def refused(outcome: Outcome) -> bool:
    return outcome.status == 401 and outcome.upstream is None and outcome.headers["www-authenticate"] == "Key"


def upstream(outcome: Outcome) -> Request:
    assert outcome.upstream is not None, outcome.body
    return outcome.upstream


def test_a_good_key_tells_upstream_who_calls() -> None:
    sent = upstream(ask(KeyAuth(), Request(headers={"x-api-key": "alice-key"})))
    assert sent.consumer == ALICE
    assert sent.credential == "key-of-alice"
    assert sent.headers["x-consumer-id"] == "c-1"
    assert sent.headers["x-consumer-username"] == "alice"
    assert sent.headers["x-consumer-custom-id"] == "4711"
    assert sent.headers["x-credential-identifier"] == "key-of-alice"


@pytest.mark.parametrize("key", ["", "wrong", "Alice-key", "alice-key ", "\udcff", "alice-key\udc80", "a" * 65536])
def test_any_other_key_is_refused(key: str) -> None:
    assert refused(ask(KeyAuth(), Request(headers={"x-api-key": key})))


def test_no_key_is_refused() -> None:
    assert refused(ask(KeyAuth(), Request()))


@pytest.mark.parametrize(
    "headers",
    [
        [("x-api-key", "alice-key"), ("x-api-key", "alice-key")],
        [("x-api-key", "alice-key"), ("x-api-key", "bob-key")],
        [("x-api-key", "alice-key,alice-key")],
        [("x-api-key", "alice-key, bob-key")],
        [("x-api-key", "alice-key,")],
        [("x-api-key", ",alice-key")],
    ],
)
def test_more_than_one_key_is_refused_also_when_joined(headers: list[tuple[str, str]]) -> None:
    assert refused(ask(KeyAuth(), Request(headers=headers)))


@pytest.mark.parametrize(
    "query", ["key=alice-key&key=alice-key", "key=&key=alice-key", "key=alice-key&k%65y=bob-key"]
)
def test_more_than_one_key_in_the_query_is_refused(query: str) -> None:
    assert refused(ask(KeyAuth(query="key"), Request(target=f"/?{query}")))


def test_keys_in_two_places_are_refused() -> None:
    request = Request(target="/?key=alice-key", headers={"x-api-key": "alice-key"})
    assert refused(ask(KeyAuth(query="key"), request))


def test_the_query_may_carry_the_key_and_the_rest_of_it_stays_as_it_was() -> None:
    sent = upstream(ask(KeyAuth(query="key"), Request(target="/?a=%20+&k%65y=alice%2Dkey&b&&c=%zz")))
    assert sent.consumer == ALICE
    assert sent.target == "/?a=%20+&b&&c=%zz"


def test_a_query_without_the_key_is_not_touched() -> None:
    plugin = KeyAuth(query="key")
    sent = upstream(ask(plugin, Request(target="/?a=b", headers={"x-api-key": "alice-key"})))
    assert not sent.line_changed


def test_a_cookie_may_carry_the_key_and_the_others_stay() -> None:
    request = Request(headers=[("cookie", 'a=1; key="alice-key"'), ("cookie", "b=2")])
    sent = upstream(ask(KeyAuth(cookie="key"), request))
    assert sent.consumer == ALICE
    assert sent.headers.get_all("cookie") == ["a=1; b=2"]


def test_a_cookie_header_that_held_nothing_else_goes() -> None:
    sent = upstream(ask(KeyAuth(cookie="key"), Request(headers={"cookie": "key=alice-key"})))
    assert "cookie" not in sent.headers


def test_two_cookies_of_the_name_are_refused() -> None:
    assert refused(ask(KeyAuth(cookie="key"), Request(headers={"cookie": "key=alice-key; key=bob-key"})))


def test_a_place_that_is_not_configured_is_not_looked_at() -> None:
    request = Request(target="/?key=alice-key", headers={"cookie": "key=alice-key", "x-api-key": "alice-key"})
    assert refused(ask(KeyAuth(header="x-other"), request))


def test_the_header_can_be_turned_off() -> None:
    plugin = KeyAuth(header=None, query="key")
    assert refused(ask(plugin, Request(headers={"x-api-key": "alice-key"})))
    assert upstream(ask(plugin, Request(target="/?key=bob-key"))).consumer == BOB


def test_the_key_does_not_go_upstream() -> None:
    sent = upstream(ask(KeyAuth(), Request(headers={"x-api-key": "alice-key"})))
    assert "x-api-key" not in sent.headers


def test_the_key_goes_upstream_where_hide_is_off() -> None:
    sent = upstream(ask(KeyAuth(hide=False), Request(headers={"x-api-key": "alice-key"})))
    assert sent.headers["x-api-key"] == "alice-key"


def test_a_key_that_is_not_good_never_goes_upstream() -> None:
    plugin = KeyAuth(hide=False, anonymous="guest")
    assert "x-api-key" not in upstream(ask(plugin, Request(headers={"x-api-key": "wrong"}))).headers


def test_where_somebody_else_already_found_out_who_calls_the_key_is_only_hidden() -> None:
    first, second = KeyAuth(anonymous="guest"), KeyAuth(header="x-second", anonymous="guest")
    request = Request(headers={"x-api-key": "alice-key", "x-second": "bob-key"})
    sent = upstream(run([first, second], request, consumers=consumers(alice="alice-key", bob="bob-key")))
    assert sent.consumer == ALICE
    assert "x-second" not in sent.headers


@pytest.mark.parametrize("key", [None, "wrong", "alice-key,bob-key"])
def test_strangers_are_let_in_as_the_anonymous_consumer_and_their_key_is_hidden(key: str | None) -> None:
    headers = {"x-api-key": key} if key else {}
    sent = upstream(ask(KeyAuth(anonymous="guest"), Request(headers=headers)))
    assert sent.consumer == GUEST
    assert sent.headers["x-anonymous-consumer"] == "true"
    assert sent.credential is None
    assert "x-api-key" not in sent.headers


def test_what_downstream_says_it_is_is_removed() -> None:
    spoofed = {"x-api-key": "alice-key", "x-consumer-username": "root", "x-anonymous-consumer": "true"}
    sent = upstream(ask(KeyAuth(), Request(headers=spoofed)))
    assert sent.headers["x-consumer-username"] == "alice"
    assert "x-anonymous-consumer" not in sent.headers


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
def test_a_key_may_stand_in_the_file_as_its_hash(spelling: Callable[[str], str]) -> None:
    hashed = "sha256:" + spelling(sha256(b"alice-key").hexdigest())
    people = consumers(alice=hashed)
    assert run(KeyAuth(), Request(headers={"x-api-key": "alice-key"}), consumers=people).status == 200
    assert run(KeyAuth(), Request(headers={"x-api-key": hashed}), consumers=people).status == 401


@pytest.mark.parametrize("key", ["sha256:abc", "sha256:" + "g" * 64, "$argon2id$v=19$m=1$a$b", "$2b$12$abc"])
def test_a_hash_that_keys_cannot_be_found_by_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match="of alice is hashed") as caught:
        run(KeyAuth(), Request(), consumers=consumers(alice=key))
    assert key not in str(caught.value)


def test_a_key_of_two_consumers_is_refused_without_showing_it() -> None:
    hashed = "sha256:" + sha256(b"same-secret").hexdigest()
    with pytest.raises(ValueError, match="two keyauth_credentials have the same key") as caught:
        run(KeyAuth(), Request(), consumers=consumers(alice="same-secret", bob=hashed))
    assert "same-secret" not in str(caught.value)


def test_the_key_is_in_no_log_and_no_representation(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> str:
        people = consumers(alice="alice-key")
        plugin = KeyAuth()
        with caplog.at_level(logging.DEBUG):
            async with Runner([plugin], Runtime(people)) as runner:
                request = Request(headers={"x-api-key": "alice-key"})
                shown = f"{request!r} {request.headers!r} {plugin!r} {people.credentials('keyauth_credentials')!r}"
                await runner.send(request)
        return shown

    assert "alice-key" not in asyncio.run(main()) + caplog.text


def test_a_place_for_the_key_is_needed() -> None:
    with pytest.raises(ValueError, match="looks for its credential nowhere"):
        KeyAuth(header=None)


def test_the_anonymous_consumer_must_exist() -> None:
    with pytest.raises(StartError, match="no consumer is called 'nobody'"):
        ask(KeyAuth(anonymous="nobody"), Request())
