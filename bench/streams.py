"""Part of `make bench`: what bodies that stream cost, against one that no plugin sees.

MEGABYTES may be given as an argument (1024).

Prints the time of each download and the most memory that the worker and Envoy took, then how long the first and
each further server-sent event takes through a plugin that rewrites it.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

from harness.outrider import Outrider, forget_peak, peak_memory
from harness.peer import Peer
from harness.streaming import Streams, streaming

MIB = 1024 * 1024
BLOCK = bytes(range(32, 96)) * 1022 + b"data: " + b"x" * 120 + b"\n\n"


def main() -> None:
    size = int(sys.argv[1]) * MIB if len(sys.argv) > 1 else 1024 * MIB
    with tempfile.TemporaryDirectory() as name, Peer() as peer:
        folder = Path(name)
        gateway = Outrider(folder, streaming(peer.port, folder))
        with gateway, Streams(gateway.ready(), peer) as streams:
            for route in ("/plain", "/observed", "/events", "/double"):
                for megabytes in (MIB, size):
                    download(streams, route, megabytes)
            for route in ("/plain", "/upper", "/events", "/async-events"):
                events(streams, route)


def download(streams: Streams, route: str, size: int) -> None:
    processes = [*streams.gateway.workers(), streams.gateway.envoy()]
    for pid in processes:
        forget_peak(pid)
    began = time.perf_counter()
    downstream = streams.get(route, "connection: close")
    length = f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n".encode()
    sender = threading.Thread(target=streams.peer.accept().send(length).pour, args=(size, BLOCK))
    sender.start()
    came = downstream.drain()
    sender.join()
    worker, envoy = (peak_memory(pid) // MIB for pid in processes)
    seconds = time.perf_counter() - began
    memory = f"worker {worker:4} MiB  Envoy {envoy:4} MiB"
    print(f"{route:14} {size // MIB:6} MiB  {seconds:6.2f} s  {memory}  {came:,} bytes", flush=True)


def events(streams: Streams, route: str, count: int = 1000) -> None:
    downstream, upstream = streams.answered(route)
    times: list[float] = []
    for number in range(count):
        began = time.perf_counter()
        upstream.chunk(b"data: %d\n\n" % number)
        downstream.until(b"\n\n\r\n")
        times.append((time.perf_counter() - began) * 1e6)
    first, *others = times
    others.sort()
    print(f"{route:14} first event {first:6.0f} us, then {others[len(others) // 2]:6.0f} us", flush=True)


if __name__ == "__main__":
    main()
