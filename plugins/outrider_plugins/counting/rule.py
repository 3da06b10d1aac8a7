"""A limit as its algorithm judges it: pure arithmetic on whole numbers, the same over every storage.

Moments and lengths are in whole microseconds since the Unix epoch. What a key needs between two requests is a
`State` of three whole numbers, each below 2^53, so that Redis' doubles hold them, too.
"""

from abc import abstractmethod
from typing import Final, NamedTuple, Protocol

State = tuple[int, int, int]
"""`since`, `count`, `before`: their meaning is the rule's own. A key that never came has zeros."""

MICRO: Final = 1_000_000
MOST: Final = 2**53 - 1
"""No count grows beyond it."""


def bounded(count: int) -> int:
    """The count, or the largest there is."""
    return count if count < MOST else MOST  # noqa: FURB136 - min() takes six times as long


class Usage(NamedTuple):
    """What one limit says of a request that was counted or refused."""

    passed: bool
    """Whether this limit had room for the request."""
    remaining: int
    """How much is left of it."""
    reset: float
    """In how many seconds all of it is there again, if nothing else comes."""
    retry: float
    """In how many seconds the same request finds room in this limit, if nothing else comes; 0 if it had room."""


class Rule(Protocol):
    """One limit and its algorithm. An object of this kind never changes."""

    quota: int
    """How much may come at once."""
    span: int
    """In how many seconds the quota comes back."""
    kind: str
    """What the algorithm is called."""
    numbers: tuple[int, int, int]
    """The algorithm's own parameters."""
    name: bytes
    """Tells rules apart whose states mean different things. A window whose limit was changed keeps its name."""

    @abstractmethod
    def advance(self, state: State, moment: int) -> State:
        """The state that time alone has made of `state`. A clock that went back changes little: see the rules."""

    @abstractmethod
    def fits(self, state: State, moment: int, cost: int) -> bool:
        """Whether there is room for `cost` in an advanced state."""

    @abstractmethod
    def charge(self, state: State, cost: int) -> State:
        """An advanced state with `cost` counted, whether there is room or not."""

    @abstractmethod
    def lasts(self, state: State) -> int:
        """The moment from which on the state is that of a key that never came."""

    @abstractmethod
    def usage(self, state: State, moment: int, cost: int, passed: bool) -> Usage:
        """What the state says at a moment; with `passed` the request is in it already."""


class Charge(NamedTuple):
    """So much of a limit that a key uses up. Keys are remembered: they should be short."""

    rule: Rule
    key: bytes
    cost: int = 1
