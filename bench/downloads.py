"""Responses that stream: downloads and server-sent events through a real Envoy, seen by plugins and not."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from harness.outrider import Outrider, forget_peak, peak_memory
from harness.peer import Peer
from harness.streaming import Streams, streaming
from measuring import Effort, Figures, Row, interleaved

MIB = 1024 * 1024
BLOCK = bytes(range(32, 96)) * 1022 + b"data: " + b"x" * 120 + b"\n\n"
SIZES = (1, 256)
"""In MiB."""
EVENTS = 300
DOWNLOADS = {"/plain": "unseen", "/observed": "seen", "/events": "as events, rewritten", "/double": "doubled"}
STREAMS = {
    "/plain": "unseen",
    "/upper": "in chunks",
    "/events": "rewritten",
    "/async-events": "rewritten in a coroutine",
}


def measure(effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        folder, peer = Path(stack.enter_context(tempfile.TemporaryDirectory())), stack.enter_context(Peer())
        gateway = stack.enter_context(Outrider(folder, streaming(peer.port, folder)))
        streams = stack.enter_context(Streams(gateway.ready(), peer))
        return interleaved(list(_rows(streams)), effort)


def _rows(streams: Streams) -> Iterator[Row]:
    for size in SIZES:
        for route, name in DOWNLOADS.items():
            yield Row(f"{size} MiB, {name}", partial(_download, streams, route, size))
    for route, name in STREAMS.items():
        yield Row(f"events, {name}", partial(_events, streams, route))


def _download(streams: Streams, route: str, size: int, _: float) -> Figures:
    """The time of a download, and the most memory that was needed for it."""
    processes = [*streams.gateway.workers(), streams.gateway.envoy()]
    for pid in processes:
        forget_peak(pid)
    began = time.perf_counter()
    downstream = streams.get(route, "connection: close")
    length = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {size * MIB}\r\n\r\n".encode()
    sender = threading.Thread(target=streams.peer.accept().send(length).pour, args=(size * MIB, BLOCK))
    sender.start()
    came = downstream.drain()
    sender.join()
    if came < size * MIB:
        raise SystemExit(f"only {came:,} bytes of {size} MiB came through {route}")
    worker, envoy = map(peak_memory, processes)
    return {"took": (time.perf_counter() - began) * 1e6, "memory": worker, "envoy memory": envoy}


def _events(streams: Streams, route: str, _: float) -> Figures:
    """How long an event takes from upstream to downstream."""
    downstream, upstream = streams.answered(route)
    times: list[float] = []
    for number in range(EVENTS):
        began = time.perf_counter()
        upstream.chunk(b"data: %d\n\n" % number)
        downstream.until(b"\n\n\r\n")
        times.append((time.perf_counter() - began) * 1e6)
    return {"took": median(times), "memory": 0.0, "envoy memory": 0.0}
