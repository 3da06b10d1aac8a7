"""What Redis is asked, and how its answer is read: one script that counts all charges of a request."""

from binascii import crc_hqx
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b, sha1
from importlib.resources import files
from typing import Final, NamedTuple

from outrider_plugins.counting.rule import Charge, State
from outrider_plugins.counting.storage import StorageError

SCRIPT: Final = files("outrider_plugins.counting.redis").joinpath("take.lua").read_bytes()
"""Counts, in the server."""

SLOTS: Final = 16_384
"""Into so many parts a cluster divides its keys, by what stands between braces in them."""

_DIGEST = 16
_STATE = 3
_LONGEST = 16  # digits of a number that a double tells exactly


class Command:
    """One call of the script: `packed` as it goes over the wire, and the `slot` of its keys in a cluster."""

    __slots__ = ("_arguments", "_script", "packed", "slot")

    def __init__(self, script: bytes, tag: bytes, keys: Sequence[bytes], arguments: Sequence[bytes]) -> None:
        self._script = script
        self._arguments = (b"%d" % len(keys), *keys, *arguments)
        self.slot = crc_hqx(tag, 0) % SLOTS
        self.packed = packed(b"EVALSHA", _digest(script), *self._arguments)

    @property
    def whole(self) -> bytes:
        """The same for a server that does not know the script: with its text, which it then knows."""
        return packed(b"EVAL", self._script, *self._arguments)


class Answer(NamedTuple):
    """What the script says: when it ran (microseconds), whether it counted, and each charge's state."""

    moment: int
    passed: bool
    states: list[State]


def packed(*words: bytes) -> bytes:
    """A command in the protocol RESP: an array of bulk strings."""
    return b"*%d\r\n%b" % (len(words), b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words]))


def take(script: bytes, namespace: bytes, charges: Sequence[Charge], *, owed: bool) -> Command:
    """The command that counts `charges`. A cluster refuses those whose keys differ: it has them in several places."""
    # Keys may be credentials: nobody who can look into Redis reads them there.
    digests = [blake2b(charge.key, digest_size=_DIGEST).hexdigest().encode() for charge in charges]
    names = [charge.rule.name.strip().replace(b" ", b"/") for charge in charges]
    keys = [b"%b:{%b}%b" % (namespace, *both) for both in zip(digests, names, strict=True)]
    arguments = [b"1" if owed else b"0"]
    for rule, _, cost in charges:
        arguments += [rule.kind.encode(), *(b"%d" % number for number in rule.numbers), b"%d" % cost]
    return Command(script, digests[0], keys, arguments)


def read(answer: object, charges: int) -> Answer:
    """What a server answered. Raises `StorageError` for what can't be its answer to so many charges."""
    words = answer.split() if isinstance(answer, bytes) else []
    if len(words) != 2 + _STATE * charges or not all(word.isdigit() and len(word) <= _LONGEST for word in words):
        raise StorageError("Redis answers with something that is no count")
    moment, passed, *numbers = map(int, words)
    return Answer(moment, passed == 1, list(zip(*[iter(numbers)] * _STATE, strict=True)))


@lru_cache(maxsize=8)
def _digest(script: bytes) -> bytes:
    # It is no secret: EVALSHA wants it so.
    return sha1(script, usedforsecurity=False).hexdigest().encode()
