"""What a pair of user name and password costs: counted in verifications, never by the clock."""

import asyncio
from collections.abc import Awaitable
from threading import Event

import pytest

from outrider import Consumer, Credential, Identity
from outrider_plugins.password_pool import PasswordPool, PoolFullError
from outrider_plugins.password_verifier import PasswordVerifier, Row, Users
from outrider_plugins.passwords import Stored, stored_password

ALICE = Consumer("c-1", username="alice")


class Hash:
    """A costly hash that counts how often it is verified; if it is `held`, it takes until `may_end` is set."""

    def __init__(self, right: str = "right", cost: float = 0.1, *, held: bool = False) -> None:
        self.cost = cost
        self.asked: list[bytes] = []
        self.begun, self.may_end = Event(), Event()
        self._right = right.encode()
        if not held:
            self.may_end.set()

    def matches(self, password: bytes, /) -> bool:
        self.asked.append(password)
        self.begun.set()
        assert self.may_end.wait(30)
        return password == self._right


def verifier(pool: PasswordPool | None = None, *, size: int = 10, **users: Stored) -> PasswordVerifier:
    rows = {name: Row(Credential(ALICE, f"id-of-{name}", {}), stored) for name, stored in users.items()}
    return PasswordVerifier(Users(rows), pool or PasswordPool(), size=size)


async def verified(verifier: PasswordVerifier, username: str, password: str) -> str | None:
    """The id of the credential."""
    found = verifier.verify(username, password)
    identity = await found if isinstance(found, Awaitable) else found
    return identity.credential if identity else None


def begin(verifier: PasswordVerifier, username: str, password: str, number: int) -> list[asyncio.Task[str | None]]:
    return [asyncio.create_task(verified(verifier, username, password)) for _ in range(number)]


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def has_begun(hashed: Hash) -> None:
    assert await asyncio.to_thread(hashed.begun.wait, 30)


def test_a_good_password_is_verified_once_and_then_remembered_without_a_wait() -> None:
    async def main() -> None:
        hashed = Hash()
        users = verifier(alice=hashed)
        assert await verified(users, "alice", "right") == "id-of-alice"
        found = users.verify("alice", "right")
        assert isinstance(found, Identity)
        assert hashed.asked == [b"right"]

    asyncio.run(main())


def test_a_bad_password_is_never_remembered() -> None:
    async def main() -> None:
        hashed = Hash()
        users = verifier(alice=hashed)
        for _ in range(3):
            assert await verified(users, "alice", "wrong") is None
        assert len(hashed.asked) == 3
        assert await verified(users, "alice", "right") == "id-of-alice"
        assert await verified(users, "alice", "wrong") is None
        assert len(hashed.asked) == 5

    asyncio.run(main())


def test_what_is_remembered_is_the_whole_pair() -> None:
    async def main() -> None:
        users = verifier(ab=Hash("c"), a=Hash("bc"), abc=Hash("x"))
        assert await verified(users, "ab", "c") == "id-of-ab"
        assert await verified(users, "a", "bc") == "id-of-a"
        for pair in (("a", "c"), ("abc", ""), ("abc", "c"), ("ab", "bc"), ("", "abc"), ("ab", "c:"), ("ab", ":c")):
            assert await verified(users, *pair) is None

    asyncio.run(main())


def test_what_is_cheap_to_verify_never_waits_and_is_not_remembered() -> None:
    async def main() -> None:
        users = verifier(alice=stored_password("right"))
        assert isinstance(users.verify("alice", "right"), Identity)
        assert users.verify("alice", "wrong") is None
        assert users.verify("nobody", "right") is None

    asyncio.run(main())


def test_a_stranger_costs_one_verification_of_the_costliest_hash_and_never_gets_in() -> None:
    async def main() -> None:
        cheap, dear, plain = Hash(cost=0.1), Hash(cost=0.3), stored_password("right")
        users = verifier(cheap=cheap, dear=dear, plain=plain)
        for _ in range(2):
            assert await verified(users, "nobody", "right") is None
        assert (len(cheap.asked), len(dear.asked)) == (0, 2)

    asyncio.run(main())


def test_where_nobody_is_known_a_stranger_is_refused_all_the_same() -> None:
    async def main() -> None:
        for password in ("", "right"):
            assert verifier().verify("nobody", password) is None

    asyncio.run(main())


def test_what_comes_many_times_at_once_is_verified_once() -> None:
    async def main() -> None:
        hashed = Hash(held=True)
        users = verifier(alice=hashed)
        good, bad, strange = (
            begin(users, *pair, 20) for pair in (("alice", "right"), ("alice", "wrong"), ("nobody", "right"))
        )
        await settled()
        hashed.may_end.set()
        assert await asyncio.gather(*good) == ["id-of-alice"] * 20
        assert await asyncio.gather(*bad, *strange) == [None] * 40
        assert sorted(hashed.asked) == [b"right", b"right", b"wrong"]

    asyncio.run(main())


def test_one_that_is_cancelled_does_not_hurt_the_others() -> None:
    async def main() -> None:
        hashed = Hash(held=True)
        users = verifier(alice=hashed)
        tasks = begin(users, "alice", "right", 4)
        await has_begun(hashed)
        tasks[0].cancel()
        tasks[2].cancel()
        await settled()
        hashed.may_end.set()
        assert [await tasks[1], await tasks[3]] == ["id-of-alice"] * 2
        assert tasks[0].cancelled()
        assert tasks[2].cancelled()
        assert len(hashed.asked) == 1

    asyncio.run(main())


def test_one_that_nobody_waits_for_any_more_makes_room_and_its_pair_can_come_again() -> None:
    async def main() -> None:
        first, second = Hash(held=True), Hash()
        users = verifier(PasswordPool(threads=1, waiting=1), alice=first, bob=second)
        [running] = begin(users, "alice", "right", 1)
        await has_begun(first)
        waiting = begin(users, "bob", "right", 2)
        await settled()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await settled()
        again = begin(users, "bob", "right", 2)
        await settled()
        first.may_end.set()
        assert await asyncio.gather(running, *again) == ["id-of-alice", "id-of-bob", "id-of-bob"]
        assert len(second.asked) == 1

    asyncio.run(main())


def test_too_many_that_wait_are_told_so_and_those_who_are_remembered_come_in() -> None:
    async def main() -> None:
        held, remembered = Hash(held=True), Hash()
        users = verifier(PasswordPool(threads=1, waiting=0), alice=held, bob=remembered)
        assert await verified(users, "bob", "right") == "id-of-bob"
        await settled()
        [running] = begin(users, "alice", "right", 1)
        await has_begun(held)
        for username, password in (("alice", "wrong"), ("bob", "wrong"), ("nobody", "right")):
            with pytest.raises(PoolFullError):
                await verified(users, username, password)
        assert await verified(users, "bob", "right") == "id-of-bob"
        # Who asks what is being verified already takes no more room.
        [second] = begin(users, "alice", "right", 1)
        await settled()
        held.may_end.set()
        assert [await running, await second] == ["id-of-alice"] * 2

    asyncio.run(main())


def test_beyond_the_size_those_that_were_used_least_recently_are_hashed_again() -> None:
    async def main() -> None:
        hashes = [Hash(), Hash(), Hash()]
        one, two, three = hashes
        users = verifier(size=2, one=one, two=two, three=three)
        for name in ("one", "two", "one", "three"):
            await verified(users, name, "right")
        assert isinstance(users.verify("one", "right"), Identity)
        assert await verified(users, "two", "right") == "id-of-two"
        assert [len(one.asked) for one in hashes] == [1, 2, 1]

    asyncio.run(main())


def test_a_fault_reaches_all_that_wait_and_is_not_remembered() -> None:
    class Broken(Hash):
        def matches(self, password: bytes, /) -> bool:
            super().matches(password)
            raise OSError("of the library")

    async def main() -> None:
        broken = Broken(held=True)
        users = verifier(alice=broken)
        tasks = begin(users, "alice", "right", 2)
        await settled()
        broken.may_end.set()
        for answer in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(answer, OSError)
        with pytest.raises(OSError, match="of the library"):
            await verified(users, "alice", "right")

    asyncio.run(main())


def test_what_is_kept_of_a_good_password_is_not_the_password() -> None:
    async def main() -> None:
        password = "a password that is easy to find"
        users, others = (verifier(alice=Hash(password)) for _ in range(2))
        for one in (users, others):
            assert await verified(one, "alice", password)
        kept = [vars(one)["_known"]["alice"].digest for one in (users, others)]
        assert kept[0] != kept[1]
        assert not any(password.encode() in one for one in kept)

    asyncio.run(main())
