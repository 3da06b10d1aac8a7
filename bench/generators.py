"""The load generators of Debian's packages: wrk for requests, h2load for gRPC straight into a worker."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client", "redis-server": "redis-server"}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Load:
    """What a generator counted: requests, requests a second, and of wrk percentiles of the time in microseconds."""

    requests: int
    rate: float
    p50: float = 0.0
    p99: float = 0.0


def missing(*programs: str) -> str | None:
    """A sentence that names what is not installed; None if all of it is."""
    absent = [one for one in programs if shutil.which(one) is None]
    if not absent:
        return None
    packages = " ".join(PACKAGES[one] for one in absent)
    return f"{' and '.join(absent)} can't be found: install Debian's {packages}."


def wrk(
    port: int,
    headers: Mapping[str, str],
    *,
    connections: int,
    seconds: int,
    path: str = "/",
    script: Path | None = None,
    arguments: Sequence[str] = (),
    refused: bool = False,
) -> Load:
    """GETs for so many seconds, each connection with one at a time, or what a script of Lua makes of `arguments`.

    Ends the benchmark if one of them is answered with anything but 200; with `refused`, if one is.
    """
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command += ["-s", str(script)] if script else []
    text = _output([*command, f"http://127.0.0.1:{port}{path}", "--", *arguments])
    return _of_wrk(_only_refused(text) if refused else text)


def h2load(socket: Path, path: str, body: Path, metadata: Mapping[str, str], *, streams: int, seconds: float) -> Load:
    """gRPC calls over one connection to a unix socket, so many at a time; each sends the same body and ends."""
    headers = {"content-type": "application/grpc", "te": "trailers", **metadata}
    command = ["h2load", "-c1", f"-m{streams}", f"--duration={seconds * 1000:.0f}ms", f"--data={body}"]
    command += [f"--header={name}: {value}" for name, value in headers.items()]
    return _of_h2load(_output([*command, f"--base-uri=unix:{socket}", f"http://localhost{path}"]))


def _output(command: list[str]) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if result.returncode:
        sys.exit(f"{command[0]} ended with {result.returncode}: {result.stderr.strip()[:500]}")
    return result.stdout


def _only_refused(text: str) -> str:
    """The same as if all had been let on."""
    asked, bad = (_found(pattern, text) for pattern in (r"(\d+) requests in", r"Non-2xx or 3xx responses: (\d+)"))
    if asked != bad:
        sys.exit(f"wrk: of {asked} requests only {bad} were refused")
    return re.sub("Non-2xx.*", "", text)


def _of_wrk(text: str) -> Load:
    if bad := re.search(r"Non-2xx.*|Socket errors.*", text):
        sys.exit(f"wrk: not every request was answered with 200: {bad[0]}")
    if not (requests := int(_found(r"(\d+) requests in", text))):
        sys.exit("wrk: no request was answered while it waited")
    return Load(
        requests=requests,
        rate=float(_found(r"Requests/sec:\s+([\d.]+)", text)),
        p50=_microseconds(_found(r"\n +50%\s+(\S+)", text)),
        p99=_microseconds(_found(r"\n +99%\s+(\S+)", text)),
    )


def _of_h2load(text: str) -> Load:
    done = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed", text)
    if done is None or done[3] != "0" or done[1] == "0":
        sys.exit(f"h2load: not every call was answered: {text[-800:]}")
    return Load(int(done[1]), float(_found(r"([\d.]+) req/s", text)))


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        sys.exit(f"a load generator printed nothing like {pattern!r}: {text[-800:]}")
    return found[1]


def _microseconds(value: str) -> float:
    """wrk writes 118.00us, 1.06ms, 1.2s."""
    parts = re.fullmatch(r"([\d.]+)(us|ms|s|m)", value)
    if parts is None:
        sys.exit(f"a load generator printed {value!r} for a time")
    return float(parts[1]) * _SECONDS[parts[2]] * 1e6
