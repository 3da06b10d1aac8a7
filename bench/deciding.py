"""Decides on and on, bytes in and bytes out. Run as a process, so that its memory is its own: a `Case` in JSON.

It prints a line of JSON with its memory and how long the start took; then it reads seconds, line by line, and prints
what a decision cost meanwhile.
"""

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import count, cycle
from pathlib import Path

from hpack import Encoder
from pydantic import SecretStr

from clocks import memory
from harness.http2_frames import (
    LARGEST_WINDOW,
    PREFACE,
    SETTINGS_ACK,
    WINDOW,
    data,
    headers,
    joined,
    settings,
    window_update,
)
from inside import Case, key_of
from messages import PROCESS, opening
from outrider.consumer import Consumer, Consumers, Credential
from outrider.metrics import Metrics
from outrider.starting import Plugins
from outrider.waiting import Wait
from outrider_cli.loading import Source
from outrider_envoy.calls import Calls, Status
from outrider_envoy.engine.connection import Connection
from outrider_envoy.engine.limits import Limits
from outrider_envoy.engine.shared import Shared
from outrider_envoy.selection import ROUTE_KEY, Chains

METADATA = {ROUTE_KEY: "bench"}

Decide = Callable[[bytes], object]


async def main() -> None:
    case, began = Case(**json.loads(sys.argv[1])), time.process_time()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="bench-") as shared:
        calls = await _started(case, Path(shared))
        for message in case.seen():
            _decided(calls, message)
        asked = case.messages()
        messages = [message for message in asked if _decided(calls, message)]
        if not messages:
            sys.exit("no request was let on")
        refused = 1 - len(messages) / len(asked)
        _print(start=time.process_time() - began, memory=memory(os.getpid()), refused=refused)
        decide: Decide = _framed(calls) if case.framed else partial(_decided, calls)
        for line in sys.stdin:
            _print(server=_timed(decide, messages, float(line)))


async def _started(case: Case, shared: Path) -> Calls:
    metrics = Metrics(slots=1 << 16)
    loaded = Source.read(Path(case.file)).load(metrics)
    configuration = loaded.configuration
    if case.consumers:
        configuration = replace(configuration, consumers=_consumers(case.consumers))
    await Plugins(configuration, shared, metrics).start()
    return Calls(Chains(loaded.chains.values(), configuration.routes), metrics)


def _consumers(many: int) -> Consumers:
    everybody = [Consumer(f"id-{number}", f"consumer-{number}") for number in range(many)]
    rows = (_credential(number, one) for number, one in enumerate(everybody))
    return Consumers(everybody, {"keyauth_credentials": rows})


def _credential(number: int, owner: Consumer) -> Credential:
    return Credential(owner, f"key-{number}", {"key": SecretStr(key_of(number))})


def _decided(calls: Calls, message: bytes) -> bool:
    """Whether one request is let on."""
    call = calls.open(PROCESS, METADATA)
    assert not isinstance(call, Status)
    answer = call.receive(message)
    call.half_close()
    call.close()
    # One that waits or refuses would measure something else.
    return isinstance(answer, tuple | list) and b"decided" in answer[0]


def _framed(calls: Calls) -> Decide:
    """The same through HTTP/2, as a client of one connection hears it."""
    connection = Connection(_no_waits, Shared(lambda opening: calls.open(opening.path, opening.metadata), Limits()))
    wide = window_update(0, LARGEST_WINDOW - WINDOW)
    connection.receive(joined([PREFACE, settings(), SETTINGS_ACK, wide]))
    connection.take()
    encoder, streams = Encoder(), count(1, 2)
    # The first block says that the dynamic table is empty, as the engine wants it.
    encoder.header_table_size = 0
    blocks = [encoder.encode(opening("bench")), encoder.encode(opening("bench"))]

    def decide(message: bytes) -> bytes:
        stream = next(streams)
        block = blocks[0] if stream == 1 else blocks[1]
        body = b"\0" + len(message).to_bytes(4, "big") + message
        connection.receive(joined([headers(stream, block), data(stream, body, end=True)]))
        return connection.take()

    return decide


def _no_waits(wait: Wait, *_: object) -> Callable[[], object]:
    raise RuntimeError(f"a hook waits: {wait}")


def _timed(decide: Decide, messages: Sequence[bytes], seconds: float) -> float:
    """Microseconds a decision."""
    decisions, began, order = 0, time.process_time(), cycle(messages)
    while (taken := time.process_time() - began) < seconds:
        for _ in range(200):
            decide(next(order))
        decisions += 200
    return taken / decisions * 1e6


def _print(**figures: float) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
