"""basic-auth: which hashes it takes, and what happens while they are verified."""

import asyncio
import logging
from threading import Event

import pytest

from logins import ALADDIN, ALICE, BOB, argon2, basic, people
from outrider import Request, Runtime
from outrider.testing import Outcome, Runner, run
from outrider_plugins import basic_auth
from outrider_plugins.basic_auth import BasicAuth
from outrider_plugins.password_pool import PasswordPool
from outrider_plugins.passwords import Argon2Hash

BCRYPT = "$2b$04$7NYilyzDM16mDz8ZWM..BugGD6MO/k3X2AsMgeQbPj1LC41AseUX2"


@pytest.mark.parametrize("password", ["$argon2id$v=19$m=8", "$2b$04$no", "sha256:00", "$1$salt$abcdefgh", "a\nb"])
def test_a_password_that_nobody_could_come_in_with_is_a_mistake_that_names_its_owner(password: str) -> None:
    with pytest.raises(ValueError, match="a basicauth_credentials password of bob ") as caught:
        BasicAuth().check(people((ALICE, "a", "fine"), (BOB, "b", password)))
    assert password not in str(caught.value)


@pytest.mark.parametrize("username", ["with:colon", "with\nbreak", "with\0nul"])
def test_a_user_name_that_can_not_be_sent_is_a_mistake(username: str) -> None:
    with pytest.raises(ValueError, match="a basicauth_credentials username of bob holds what can't be sent"):
        BasicAuth().check(people((BOB, username, "fine")))


def test_two_rows_with_one_user_name_are_a_mistake_that_names_both_owners() -> None:
    with pytest.raises(ValueError, match="of alice and bob have the same username") as caught:
        BasicAuth().check(people((ALICE, "same", "hush-1"), (BOB, "same", "hush-2")))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("password", "timeout"),
    [
        (BCRYPT.replace("$04$", "$13$"), 2000),
        (BCRYPT.replace("$04$", "$14$"), 4000),
        (argon2("a").replace("m=8,t=1", "m=131072,t=4"), 2000),
    ],
)
def test_a_hash_that_takes_more_than_half_of_the_time_of_a_hook_is_a_mistake(password: str, timeout: int) -> None:
    known = people((BOB, "b", password))
    with pytest.raises(ValueError, match=r"of bob takes about \d\.\d s to verify and timeout is") as caught:
        BasicAuth(timeout=timeout // 2).check(known)
    assert password not in str(caught.value)
    BasicAuth(timeout=timeout).check(known)


@pytest.mark.parametrize(
    "usual",
    [
        BCRYPT.replace("$04$", "$12$"),
        argon2("a").replace("m=8,t=1,p=1", "m=65536,t=3,p=4"),  # RFC 9106, section 4
        argon2("a").replace("m=8,t=1,p=1", "m=65536,t=4,p=1"),
        argon2("a").replace("m=8,t=1,p=1", "m=47104,t=1,p=1"),
    ],
)
def test_the_usual_hashes_fit_into_the_usual_time(usual: str) -> None:
    BasicAuth().check(people((BOB, "b", usual)))


def occupied(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Makes every hook find a pool that is busy until the event is set, with no room to wait."""
    may_end = Event()

    def full() -> PasswordPool:
        pool = PasswordPool(threads=1, waiting=0)
        pool.begun = asyncio.create_task(pool.run(lambda: may_end.wait(30)))  # type: ignore[attr-defined]
        return pool

    monkeypatch.setattr(basic_auth, "shared_pool", full)
    return may_end


@pytest.mark.parametrize("anonymous", [None, "guest"])
@pytest.mark.parametrize("text", ["Aladdin:open sesame", "Aladdin:wrong", "nobody:wrong"])
def test_where_too_many_wait_the_next_gets_503_and_is_no_stranger(
    monkeypatch: pytest.MonkeyPatch, anonymous: str | None, text: str
) -> None:
    async def main() -> Outcome:
        may_end = occupied(monkeypatch)
        known = people((ALICE, "Aladdin", argon2("open sesame")))
        async with Runner([BasicAuth(anonymous=anonymous)], Runtime(known)) as runner:
            await asyncio.sleep(0)
            try:
                return await runner.send(Request(headers={"authorization": basic(text)}))
            finally:
                may_end.set()

    outcome = asyncio.run(main())
    assert (outcome.status, outcome.upstream) == (503, None)
    assert outcome.headers["retry-after"] == "1"
    assert "www-authenticate" not in outcome.headers


def test_a_password_that_needs_no_thread_comes_in_where_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        may_end = occupied(monkeypatch)
        known = people((ALICE, "Aladdin", "open sesame"), (BOB, "bob", argon2("bob's")))
        async with Runner([BasicAuth()], Runtime(known)) as runner:
            await asyncio.sleep(0)
            assert (await runner.send(Request(headers={"authorization": ALADDIN}))).status == 200
            assert (await runner.send(Request(headers={"authorization": basic("Aladdin:no")}))).status == 401
            assert (await runner.send(Request(headers={"authorization": basic("bob:bob's")}))).status == 503
            may_end.set()

    asyncio.run(main())


@pytest.mark.parametrize("anonymous", [None, "guest"])
def test_a_fault_of_the_library_is_a_fault_and_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, anonymous: str | None
) -> None:
    def broken(_: Argon2Hash, password: bytes) -> bool:
        raise MemoryError(f"no room for {password!r}")

    monkeypatch.setattr(Argon2Hash, "matches", broken)
    known = people((ALICE, "Aladdin", argon2("open sesame")))
    outcome = run(BasicAuth(anonymous=anonymous), Request(headers={"authorization": ALADDIN}), consumers=known)
    assert (outcome.status, outcome.upstream) == (500, None)
    assert isinstance(outcome.error, MemoryError)
    assert "MemoryError" in caplog.text
    assert "open sesame" not in caplog.text


def test_a_remembered_password_is_verified_once_and_a_stranger_as_often_as_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bytes] = []
    real = Argon2Hash.matches

    def counted(stored: Argon2Hash, password: bytes) -> bool:
        asked.append(password)
        return real(stored, password)

    monkeypatch.setattr(Argon2Hash, "matches", counted)

    async def main() -> None:
        known = people((ALICE, "Aladdin", argon2("open sesame")), (BOB, "bob", "bob's"))
        async with Runner([BasicAuth()], Runtime(known)) as runner:
            for text, verifications in (
                ("Aladdin:open sesame", 1),
                ("Aladdin:open sesame", 0),
                ("Aladdin:wrong", 1),
                ("Aladdin:wrong", 1),
                ("nobody:wrong", 1),
                ("nobody:open sesame", 1),
                ("", 0),
                ("Aladdin", 0),
            ):
                asked.clear()
                await runner.send(Request(headers={"authorization": basic(text)}))
                assert len(asked) == verifications, text

    asyncio.run(main())


def test_the_password_is_in_no_log_and_no_representation(caplog: pytest.LogCaptureFixture) -> None:
    secret = argon2("open sesame")

    async def main() -> str:
        known = people((ALICE, "Aladdin", secret), (BOB, "bob", "hush"))
        plugin = BasicAuth()
        with caplog.at_level(logging.DEBUG):
            async with Runner([plugin], Runtime(known)) as runner:
                for credential in (ALADDIN, ALADDIN, basic("bob:hush"), basic("bob:guess"), basic("x:guess")):
                    await runner.send(Request(headers={"authorization": credential}))
                shown = f"{plugin!r} {vars(plugin)!r} {known.credentials('basicauth_credentials')!r}"
        return shown

    told = asyncio.run(main()) + caplog.text
    for text in ("open sesame", "hush", "guess", secret, ALADDIN[6:]):
        assert text not in told
