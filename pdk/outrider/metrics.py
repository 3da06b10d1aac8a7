"""Counters, gauges and histograms that cost next to nothing and survive a killed worker.

A worker owns two files: PATH holds float64 slots and is mapped into memory, PATH.index says in JSON lines
which series has which slots. The kernel keeps mapped pages when a process dies, so a worker that starts again
with the same files goes on where the last one stopped. One thread of one process writes; `exposition` reads.
"""

import fcntl
import json
import logging
import mmap
import os
import re
import struct
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self, TypeAlias, cast

SLOTS = 1 << 20
"""How many float64 slots a worker has, 8 MiB. A counter takes one, a histogram one a bucket and two more."""

SECONDS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Upper bounds for latencies, in seconds, from 0.1 milliseconds to 10 seconds."""

# The head of the slot file. What follows it belongs to the series.
_HEARTBEAT, _READY, DROPPED, _FIRST = 0, 1, 2, 8
_NAME = re.compile(r"outrider_[a-z][a-z0-9_]*")
_log = logging.getLogger("outrider.metrics")

Kind = Literal["counter", "gauge", "histogram"]
Slots: TypeAlias = "memoryview[float]"


@dataclass(frozen=True, slots=True)
class Series:
    """One line on the metrics page (for a histogram, one group of lines): a name with its labels."""

    kind: Kind
    name: str
    help: str
    labels: tuple[tuple[str, str], ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def definition(self) -> tuple[Kind, str, tuple[float, ...]]:
        """What all series of one name have in common."""
        return self.kind, self.help, self.buckets

    @property
    def size(self) -> int:
        """How many slots it takes: a histogram has its sum, its buckets, and the bucket above them all."""
        return len(self.buckets) + 2 if self.kind == "histogram" else 1

    def to_line(self, first: int) -> bytes:
        """The line of the index that says: this series has the slots from `first` on."""
        row = {
            "kind": self.kind,
            "name": self.name,
            "help": self.help,
            "labels": self.labels,
            "buckets": self.buckets,
        }
        return json.dumps({**row, "first": first}).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> tuple[Self, int]:
        """The series that `to_line` wrote, and its first slot."""
        row = json.loads(line)
        labels = tuple((str(name), str(value)) for name, value in row["labels"])
        return cls(row["kind"], row["name"], row["help"], labels, tuple(row["buckets"])), row["first"]


class Counter:
    """A number that only grows."""

    __slots__ = ("_slot", "_view")

    def __init__(self, view: Slots, slot: int) -> None:
        self._view = view
        self._slot = slot

    def add(self, amount: float = 1.0) -> None:
        self._view[self._slot] += amount

    @property
    def value(self) -> float:
        return self._view[self._slot]


class Gauge(Counter):
    """A number that goes up and down; it starts at 0 whenever its worker does. Workers are summed."""

    __slots__ = ()

    def set(self, value: float) -> None:
        self._view[self._slot] = value


class Histogram:
    """How many observations fell into each bucket, and their sum. Durations are in seconds."""

    __slots__ = ("_buckets", "_first", "_sum", "_view")

    def __init__(self, view: Slots, slot: int, buckets: tuple[float, ...]) -> None:
        self._view = view
        self._sum = slot
        self._first = slot + 1
        self._buckets = buckets

    def observe(self, value: float) -> None:
        # A bound belongs to its bucket: Prometheus' `le` is "less than or equal".
        view = self._view
        view[self._first + bisect_left(self._buckets, value)] += 1.0
        view[self._sum] += value

    @property
    def count(self) -> float:
        return sum(self._view[self._first : self._first + len(self._buckets) + 1])

    @property
    def sum(self) -> float:
        return self._view[self._sum]


class Metrics:
    """One worker's metrics. Ask once for a series and keep it: adding to it is what is cheap.

    `path` is the slot file; None keeps all in private memory. `slots` is the limit: when they are used up,
    every further request for a new series gets one that counts into nothing and adds one to
    outrider_series_dropped_total; the first of them is logged.
    """

    def __init__(self, path: Path | None = None, *, slots: int = SLOTS) -> None:
        self._index = _Index(path and index_path(path), slots)
        self._view: Slots = memoryview(_mapped(path, slots * 8)).cast("d")
        self._in_use: dict[Series, Counter | Gauge | Histogram] = {}
        self._definitions: dict[str, Series] = {}
        self._view[_HEARTBEAT] = self._view[_READY] = 0.0
        for series, first in self._index.places.items():
            if series.kind == "gauge":
                self._view[first] = 0.0

    def counter(self, name: str, help_: str, /, **labels: str) -> Counter:
        """The counter of that name (it ends in `_total`) and these labels."""
        if not name.endswith("_total"):
            raise ValueError(f"{name!r}: the name of a counter ends in _total")
        return cast("Counter", self._series("counter", name, help_, labels))

    def gauge(self, name: str, help_: str, /, **labels: str) -> Gauge:
        """The gauge of that name and these labels."""
        return cast("Gauge", self._series("gauge", name, help_, labels))

    def histogram(self, name: str, help_: str, buckets: tuple[float, ...] = SECONDS, /, **labels: str) -> Histogram:
        """The histogram of that name and these labels; `buckets` are ascending upper bounds."""
        if not buckets or list(buckets) != sorted(set(buckets)):
            raise ValueError(f"{name!r}: the buckets must ascend, not {buckets}")
        return cast("Histogram", self._series("histogram", name, help_, labels, buckets))

    def beat(self, now: float) -> None:
        """Tells the supervisor that this worker is alive; `now` in monotonic seconds."""
        self._view[_HEARTBEAT] = now

    def set_ready(self, ready: bool) -> None:
        """Tells the supervisor whether this worker takes requests."""
        self._view[_READY] = float(ready)

    def close(self) -> None:
        """Gives the files back: another worker may go on with them. Nothing more may be counted here."""
        self._index.close()

    def _series(
        self, kind: Kind, name: str, help_: str, labels: dict[str, str], buckets: tuple[float, ...] = ()
    ) -> Counter | Gauge | Histogram:
        # A label that can't be written as UTF-8 would take the whole page down.
        clean = ((label, value.encode(errors="replace").decode()) for label, value in sorted(labels.items()))
        series = Series(kind, name, help_, tuple(clean), buckets)
        known = self._in_use.get(series)
        return known or self._new(series)

    def _new(self, series: Series) -> Counter | Gauge | Histogram:
        self._check_definition(series)
        first = self._index.place(series)
        if first is None:
            self._view[DROPPED] += 1.0
            if self._view[DROPPED] == 1.0:
                _log.error("the metrics are full: %s and further new series are not counted", series.name)
            return _instrument(series, memoryview(bytearray(8 * series.size)).cast("d"), 0)
        self._in_use[series] = _instrument(series, self._view, first)
        return self._in_use[series]

    def _check_definition(self, series: Series) -> None:
        if not _NAME.fullmatch(series.name):
            raise ValueError(f"{series.name!r} is no name for a metric: use outrider_ and lower-case words")
        other = self._definitions.setdefault(series.name, series)
        if other.definition != series.definition:
            raise ValueError(f"{series.name!r} is already a {other.kind}, with another help text or buckets")


class Pulse(NamedTuple):
    """What a worker last said of itself: when, in monotonic seconds (0: not yet), and whether it is ready."""

    heartbeat: float
    ready: bool

    @classmethod
    def read(cls, path: Path) -> Self:
        """The pulse in a worker's slot file; a missing or half made file has none."""
        try:
            with path.open("rb") as file:
                head = struct.unpack(f"={_FIRST}d", file.read(_FIRST * 8))
        except (FileNotFoundError, struct.error):
            return cls(0.0, ready=False)
        return cls(head[_HEARTBEAT], ready=head[_READY] == 1.0)


def index_path(path: Path) -> Path:
    """The index that belongs to a slot file."""
    return path.with_name(path.name + ".index")


def replay(index: bytes) -> dict[Series, int]:
    """Each series of an index with its first slot. A last line torn by a kill was never used: left out."""
    return dict(Series.from_line(line) for line in index.splitlines(keepends=True) if line.endswith(b"\n"))


class _Index:
    """Which series has which slots. Each line is written before its slots are used."""

    def __init__(self, path: Path | None, slots: int) -> None:
        self._slots = slots
        self._fd = None if path is None else _locked(path)
        self.places = {} if path is None or self._fd is None else self._recovered(path)
        self._next = max((first + series.size for series, first in self.places.items()), default=_FIRST)

    def place(self, series: Series) -> int | None:
        """The first slot of a series, old or new; None if there is no room for it."""
        if series not in self.places:
            if self._next + series.size > self._slots or not self._append(series):
                return None
            self.places[series] = self._next
            self._next += series.size
        return self.places[series]

    def close(self) -> None:
        """Releases the lock on the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _append(self, series: Series) -> bool:
        if self._fd is None:
            return True
        line = series.to_line(self._next)
        end = os.lseek(self._fd, 0, os.SEEK_END)
        try:
            if os.write(self._fd, line) == len(line):
                return True
        except OSError as error:
            _log.error("the index of the metrics can't be written: %s", error.strerror)
        os.ftruncate(self._fd, end)
        return False

    def _recovered(self, path: Path) -> dict[Series, int]:
        index = path.read_bytes()
        os.truncate(path, index.rfind(b"\n") + 1)
        return replay(index)


def _locked(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise RuntimeError(f"{path} belongs to another worker: give each a file of its own") from None
    return fd


def _mapped(path: Path | None, size: int) -> mmap.mmap:
    if path is None:
        return mmap.mmap(-1, size)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Reserved at once: a full disk is an error here, and not a SIGBUS at some later count.
        os.posix_fallocate(fd, 0, size)
        return mmap.mmap(fd, size)
    finally:
        os.close(fd)


def _instrument(series: Series, view: Slots, first: int) -> Counter | Gauge | Histogram:
    if series.kind == "histogram":
        return Histogram(view, first, series.buckets)
    return Gauge(view, first) if series.kind == "gauge" else Counter(view, first)
