"""What a check of a limit costs, beside the library `limits`: in memory, and in Redis and Valkey."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from harness.redis_server import RedisServer, free_port
from inside import Inside, inside
from measuring import Effort, Row, interleaved

OURS: Final = "Outrider"
LIBRARY: Final = "limits"
FEW, MANY = 1_000, 100_000
TOGETHER = 64
"""So many checks are under way at once where a server is asked."""

_OWN = ("fixed-window", "sliding-window", "gcra")
_THEIRS = ("fixed-window", "sliding-window", "a log of all requests")


@dataclass(frozen=True)
class Checks:
    """Whose checks, by which algorithm, of how many keys, and in which server, if not in memory."""

    who: str
    algorithm: Any
    keys: int
    server: str = ""


def memory(effort: Effort) -> dict[str, Any]:
    """Checks in memory: ours in that of all workers, those of `limits` in that of a process."""
    found = [(OURS, one) for one in _OWN] + [(LIBRARY, one) for one in _THEIRS]
    with ExitStack() as stack:
        rows = [
            _row(stack, f"{who}, {algorithm}, {keys:,} keys", Checks(who, algorithm, keys))
            for who, algorithm in found
            for keys in (FEW, MANY)
        ]
        return interleaved(rows, effort)


def servers(effort: Effort) -> dict[str, Any]:
    """Checks in a server on this machine, as many at once as fit."""
    with ExitStack() as stack:
        started = (RedisServer(product, port=free_port()) for product in ("redis", "valkey"))
        redis, valkey = (stack.enter_context(server) for server in started)
        cases = [
            *((f"{OURS}, {one}, Redis", Checks(OURS, one, FEW, redis.address)) for one in _OWN),
            (f"{OURS}, fixed-window, Valkey", Checks(OURS, "fixed-window", FEW, valkey.address)),
            *((f"{LIBRARY}, {one}, Redis", Checks(LIBRARY, one, FEW, redis.address)) for one in _THEIRS),
        ]
        return interleaved([_row(stack, name, checks) for name, checks in cases], effort)


def _row(stack: ExitStack, name: str, checks: Checks) -> Row:
    return Row(name, _started(stack, checks).measure)


def _started(stack: ExitStack, checks: Checks) -> Inside:
    return stack.enter_context(inside(checks, "counting.py"))
