"""The bars of the project, and whether a run's figures hold them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from credentials import LOOK_UP, LOOK_UP_ANEW, REMEMBERED
from flood import A_MINUTE, AS_MUCH, BAD
from kong import ALIKE, GEVENT, ONE, THREADS
from limiting import MANY, OURS
from measuring import ratio
from shapes import BOUNDS
from tables import Measured
from through import BARE, FOUR, NATIVE

_CHAIN = (
    "The chain itself: HTTP/2 and the sockets are the smaller part (below, *Where the microseconds go*). "
    "rate-limit is the dearest, with two calls of flock(2) and a counter that processes share; then what jwt-auth"
    " tells upstream, and nine changed headers. Next: one object a request in place of five, and a lock without "
    "system calls."
)
_NOOP = (
    "A hook is timed: two looks at the clock, a histogram and a counter, beside the call itself. Next: one look "
    "at the clock between two hooks."
)
_STREAM = (
    "A gRPC stream more for each request costs Envoy as much as it costs to proxy it. To leave out the guard, "
    "reply headers, retries, health checks or attributes, one at a time, changed nothing that could be told from "
    "noise. Next: only those headers to and fro that plugins read (forward_rules)."
)
_ROUTES = "Envoy compares its routes one by one. Next: its matcher trees, or routes grouped by prefix."
_AUTHENTICATE = (
    "What upstream is told of a key is made anew, and kept in place of another's: both are Python, and dearer than "
    "digest and look-up together. Next: an identity that is cheaper to make."
)
_AMONG_MANY = (
    "A password is looked for in the file first, among rows all over a gigabyte, of which no processor's cache has "
    "any. Next: look among those that are remembered first."
)
_FLOODED = (
    "Generators, Envoy, upstream and worker shared two cores with other programs and were short of them (*others/s* "
    "stays below 1,667): the latency, also among good tokens, is that of a full queue, and differs from round to "
    "round more than from kind to kind. A bad signature does take more of the worker than a remembered token, about "
    "0.1 ms (*Who calls*). Next: the same on cores of their own."
)
_CHECK = (
    "A key that did not come lately is digested anew, and its place looked for. Next: digests that are remembered "
    "beside the table, by hash."
)
_SHAPE = (
    "This machine's own speed went up and down by half within minutes: in its fast ones header operations, policy "
    "and tracing took two thirds of that. JSON is read, looked through for names that stand twice, and written "
    "twice; a policy's facts become values of another library, one at a time. Next: the depth of JSON counted while "
    "it is read."
)
_KONG = (
    "Each answer of Kong's wakes our worker once more, and half of its time goes into sockets; the rest is "
    "Python. Next: fewer questions, from what the pre-function keeps."
)
FOUR_STRAIGHT, BARE_STRAIGHT = "ext_proc, the four plugins, engine", "ext_proc, a no-op plugin, bare aio"


@dataclass(frozen=True)
class Bar:
    """What is asked, the bound, what came out; and where it is missed, why, and what could be tried next."""

    asked: str
    bound: float
    found: float
    at_least: bool = False
    why: str = ""

    @property
    def holds(self) -> bool:
        return self.found >= self.bound if self.at_least else self.found <= self.bound

    def __str__(self) -> str:
        bound = f"at {'least' if self.at_least else 'most'} {self.bound:g}"
        return f"| {self.asked} | {bound} | {self.found:.2f} | {'holds' if self.holds else '**missed**'} |"


def bars_of(tables: Mapping[str, Any]) -> list[Bar]:
    """The bars that the figures can tell of."""
    found: list[Bar] = []
    for name, judge in _JUDGES.items():
        if rows := tables.get(name, {}).get("rows"):
            found += judge(rows)
    return found


def _straight(rows: Measured) -> Iterator[Bar]:
    cpu = ratio(rows[FOUR_STRAIGHT]["server"], rows[BARE_STRAIGHT]["server"])
    yield Bar("CPU a decision of the four plugins, straight, to a bare grpc.aio no-op", 0.25, cpu, why=_CHAIN)
    one, sixteen = (rows[f"ext_proc, {name}, engine"]["server"] for name in _NOOPS)
    added = sorted((more - less) / 15 for more, less in zip(sixteen, one, strict=True))
    yield Bar("microseconds that a no-op plugin adds", 2, added[len(added) // 2], why=_NOOP)


def _through(rows: Measured) -> Iterator[Bar]:
    four, bare, native = rows[FOUR["engine"]], rows[BARE["aio"]], rows[NATIVE]
    cpu = ratio(four["server 64"], bare["server 64"])
    yield Bar("CPU a decision of the four plugins, through Envoy, to a bare grpc.aio no-op", 0.45, cpu, why=_CHAIN)
    rate = ratio(four["rate 64"], native["rate 64"])
    yield Bar("requests a second through Envoy to native filters", 0.8, rate, at_least=True, why=_STREAM)
    envoy = ratio(four["envoy 64"], native["envoy 64"])
    yield Bar(
        "Envoy's CPU a request to native filters, which decides where cores are shared", 1.25, envoy, why=_STREAM
    )


def _growth(rows: Measured) -> Iterator[Bar]:
    (smallest, first), *_, (largest, last) = rows.items()
    for figure, whose in (("server", "a worker's"), ("envoy", "Envoy's")):
        if figure in last:
            yield Bar(
                f"{whose} CPU with {largest} to {smallest}", 1.15, ratio(last[figure], first[figure]), why=_ROUTES
            )


def _credentials(rows: Measured) -> Iterator[Bar]:
    bounds = {**dict.fromkeys(REMEMBERED, 10), LOOK_UP: 3, LOOK_UP_ANEW: 3}
    for kind, bound in bounds.items():
        sizes = [name for name in rows if name.rpartition(", ")[0] == kind]
        few, many = sizes[0], sizes[-1]
        yield Bar(f"microseconds: {many}", bound, median(rows[many]["server"]), why=_AUTHENTICATE)
        if many != few:
            found = ratio(rows[many]["server"], rows[few]["server"])
            yield Bar(f"{many}, to {few.rpartition(', ')[2]}", 1.15, found, why=_AMONG_MANY)


def _flood(rows: Measured) -> Iterator[Bar]:
    minute = {name: values[0] for name, values in rows[A_MINUTE].items()}
    grown = (minute["memory"] - minute["before"]) / 1e6
    yield Bar(f"MB that a minute with {minute['came']:,.0f} different bad tokens leaves in a worker", 5, grown)
    for kind in BAD:
        p50 = ratio(rows[kind]["p50"], rows[AS_MUCH]["p50"])
        yield Bar(f"p50 of good tokens {kind}, to that {AS_MUCH}", 1.15, p50, why=_FLOODED)


def _shapes(rows: Measured) -> Iterator[Bar]:
    for name, bound in BOUNDS.items():
        yield Bar(f"microseconds a request: {name}", bound, median(rows[name]["server"]), why=_SHAPE)


def _limits(rows: Measured) -> Iterator[Bar]:
    for name in (name for name in rows if name.startswith(OURS)):
        yield Bar(f"microseconds a check in memory: {name}", 10, median(rows[name]["check"]), why=_CHECK)
        if f"{MANY:,}" in name:
            yield Bar(f"MB of memory: {name}", 64, max(rows[name]["memory"]) / 1e6)


def _streams(rows: Measured) -> Iterator[Bar]:
    *_, name = (name for name in rows if name.endswith("engine"))
    yield Bar(f"MB of a worker with {name}", 300, max(rows[name]["memory"]) / 1e6)


def _kong(rows: Measured) -> Iterator[Bar]:
    one = rows[ONE]
    yield Bar(
        "Kong: events a second to kong-pdk, threads",
        8,
        ratio(one["rate"], rows[THREADS]["rate"]),
        at_least=True,
        why=_KONG,
    )
    yield Bar(
        "Kong: events a second to kong-pdk, gevent",
        2,
        ratio(one["rate"], rows[GEVENT]["rate"]),
        at_least=True,
        why=_KONG,
    )
    yield Bar("Kong: CPU of a chain of four to one plugin", 1.5, ratio(rows[ALIKE]["server"], one["server"]))


_NOOPS = ("a no-op plugin", "sixteen no-op plugins")
_JUDGES = {
    "straight": _straight,
    "through": _through,
    "routes": _growth,
    "consumers": _growth,
    "keys": _growth,
    "credentials": _credentials,
    "flood": _flood,
    "shapes": _shapes,
    "limits": _limits,
    "streams": _streams,
    "kong": _kong,
}
