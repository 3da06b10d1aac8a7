"""What the script counts in real servers: bit for bit what the rules say."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from redis.crc import key_slot

from harness.redis_server import PATIENT, RedisServer, redis_storage
from outrider_plugins.counting.fixed_window import FixedWindow
from outrider_plugins.counting.gcra import Gcra
from outrider_plugins.counting.redis.address import RedisAddress
from outrider_plugins.counting.redis.command import SCRIPT, Answer, Command, read, take
from outrider_plugins.counting.redis.connection import RedisConnection
from outrider_plugins.counting.rule import Charge, Rule, State, Usage
from outrider_plugins.counting.sliding_window import SlidingWindow
from outrider_plugins.counting.storage import StorageError

MOST, YEAR = 10**12, 366 * 86_400
RULES: Sequence[Rule] = (
    *(FixedWindow(3, 1), FixedWindow(1000, 60), FixedWindow(MOST, YEAR)),
    *(SlidingWindow(3, 1), SlidingWindow(997, 61), SlidingWindow(MOST, YEAR)),
    *(Gcra(3, 1), Gcra(1000, 60, 7), Gcra(7, 3600, 1), Gcra(MOST, YEAR), Gcra(MOST, 1, 5), Gcra(1, YEAR)),
)
STEPS = (0, 0, 1e-6, 0.01, 0.2, 0.3, 0.5, 1, 1, 2, 3, -1e-6, -0.3, -1, -2, -3)


@dataclass
class Reference:
    """The rules in Python, on a state of their own."""

    states: dict[Rule, State] = field(default_factory=dict[Rule, State])

    def take(self, charges: Sequence[Charge], moment: int, *, owed: bool) -> list[Usage]:
        found = [rule.advance(self.states.get(rule, (0, 0, 0)), moment) for rule, _, _ in charges]
        pairs = list(zip(charges, found, strict=True))
        passed = owed or all(charge.rule.fits(state, moment, charge.cost) for charge, state in pairs)
        if passed:
            found = [charge.rule.charge(state, charge.cost) for charge, state in pairs]
            self.states.update(zip((rule for rule, _, _ in charges), found, strict=True))
        return [
            rule.usage(state, moment, cost, passed) for (rule, _, cost), state in zip(charges, found, strict=True)
        ]


@pytest.mark.parametrize("seed", range(4))
def test_usages_are_those_of_the_rules_bit_for_bit(redis_server: RedisServer, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same each time
    now = 0.0
    storage = redis_storage(redis_server, lambda: now)

    def cost(quota: int) -> int:
        return chance.choice((0, 1, 1, 1, 2, quota // 3, quota // 2, quota - 1, quota, 10**18, 10**40))

    async def sequence(key: bytes) -> set[bool]:
        nonlocal now
        reference, clock, seen = Reference(), 1_700_000_000.0, set[bool]()
        rules = chance.sample(RULES, chance.choice((1, 1, 3)))
        for _ in range(40):
            clock = max(0.0, clock + rules[0].span * chance.choice(STEPS) * chance.choice((1, chance.random())))
            if chance.random() < 0.2:  # to the very beginning of a window
                clock -= clock % rules[0].span
            charges = [Charge(rule, key, cost(rule.quota)) for rule in rules]
            owed = chance.random() < 0.1
            expected = reference.take(charges, int(clock * 1_000_000), owed=owed)
            now = clock
            assert await storage.take(charges, owed=owed) == expected
            seen |= {usage.passed for usage in expected}
        return seen

    async def main() -> None:
        seen = await asyncio.gather(*(sequence(b"%d" % number) for number in range(24)))
        await storage.close()
        assert set().union(*seen) == {True, False}

    asyncio.run(main())


def asked(server: RedisServer, command: Command) -> object:
    address = RedisAddress.parse(server.address)
    return asyncio.run(RedisConnection.once(address, command.whole, PATIENT))


def counted(server: RedisServer, charges: Sequence[Charge], *, namespace: bytes) -> Answer:
    return read(asked(server, take(SCRIPT, namespace, charges, owed=False)), len(charges))


def test_states_are_those_of_the_rules_on_the_servers_clock(redis_server: RedisServer) -> None:
    reference = Reference()
    charges = [Charge(rule, b"key") for rule in (FixedWindow(20, 60), SlidingWindow(20, 61), Gcra(10, 3600))]
    for _ in range(15):
        before, after = redis_server.ask("TIME"), None
        answer = counted(redis_server, charges, namespace=b"states")
        after = redis_server.ask("TIME")
        assert micro(before) <= answer.moment <= micro(after)
        usages = reference.take(charges, answer.moment, owed=False)
        assert answer.passed == all(usage.passed for usage in usages)
        advanced = [rule.advance(reference.states[rule], answer.moment) for rule, _, _ in charges]
        assert answer.states == advanced


def micro(time: tuple[int, int]) -> int:
    return time[0] * 1_000_000 + time[1]


@pytest.mark.parametrize("rule", [FixedWindow(20, 3600), SlidingWindow(20, YEAR), Gcra(10, 3600), Gcra(2, YEAR)])
def test_a_key_lasts_until_its_state_says_nothing_any_more(redis_server: RedisServer, rule: Rule) -> None:
    answer = counted(redis_server, [Charge(rule, b"key", 2)], namespace=b"lasts")
    [key] = redis_server.ask("KEYS", "lasts:*")
    ends = redis_server.ask("PEXPIRETIME", key) * 1000
    redis_server.ask("DEL", key)
    # Keys are kept by the millisecond: never shorter, and two of them longer at most.
    assert ends - 2000 <= rule.lasts(answer.states[0]) <= ends


def test_a_refused_request_writes_nothing(redis_server: RedisServer) -> None:
    charges = [Charge(FixedWindow(1, 3600), b"key"), Charge(SlidingWindow(5, 3600), b"key")]
    assert counted(redis_server, charges, namespace=b"refused").passed
    before = redis_server.calls("set")
    answer = counted(redis_server, charges, namespace=b"refused")
    assert not answer.passed
    assert [count for _, count, _ in answer.states] == [1, 1]
    assert redis_server.calls("set") == before


def test_a_limit_that_was_changed_goes_on_counting(redis_server: RedisServer) -> None:
    counted(redis_server, [Charge(SlidingWindow(10, 3600), b"key", 4)], namespace=b"changed")
    answer = counted(redis_server, [Charge(SlidingWindow(5, 3600), b"key", 2)], namespace=b"changed")
    assert (answer.passed, answer.states[0][1]) == (False, 4)


def test_nothing_of_a_key_reaches_the_server() -> None:
    command = take(SCRIPT, b"n", [Charge(FixedWindow(1, 60), b"an-api-key")], owed=False)
    assert b"an-api-key" not in command.packed + command.whole


def test_charges_with_different_keys_are_counted_all_or_none(redis_server: RedisServer) -> None:
    charges = [Charge(FixedWindow(1, 3600), b"one"), Charge(FixedWindow(9, 3600), b"another")]
    answers = [counted(redis_server, charges, namespace=b"apart") for _ in range(2)]
    assert [(answer.passed, [state[1] for state in answer.states]) for answer in answers] == [
        (True, [1, 1]),
        (False, [1, 1]),
    ]


def test_all_keys_of_a_request_are_in_the_slot_that_the_command_names(redis_server: RedisServer) -> None:
    charges = [Charge(FixedWindow(9, 60), b"key"), Charge(Gcra(9, 60), b"key")]
    counted(redis_server, charges, namespace=b"slots")
    slot = take(SCRIPT, b"slots", charges, owed=False).slot
    keys = redis_server.ask("KEYS", "slots:*")
    assert len(keys) == 2
    assert {key_slot(key) for key in keys} == {slot}


@pytest.mark.parametrize("left", [b"hello", b"1 2", b"1 2 x", b"-1 2 3", b"1e9 2 3", b""])
def test_what_another_left_under_a_key_is_an_error(redis_server: RedisServer, left: bytes) -> None:
    charges = [Charge(FixedWindow(9, 60), b"key")]
    counted(redis_server, charges, namespace=b"left")
    [key] = redis_server.ask("KEYS", "left:*")
    redis_server.ask("SET", key, left)
    error = asked(redis_server, take(SCRIPT, b"left", charges, owed=False))
    assert isinstance(error, StorageError)
    assert redis_server.ask("GET", key) == left
    redis_server.ask("DEL", key)


@pytest.mark.parametrize(
    "answer",
    [None, 5, [b"1"], b"", b"1", b"1 1", b"1 1 1 1", b"1 1 1 1 -1", b"1 1 1 1 1 1", b"a b c d e", b"1 1 1 1 1.5"],
)
def test_what_no_script_answers_is_an_error(answer: object) -> None:
    with pytest.raises(StorageError, match="no count"):
        read(answer, 1)
